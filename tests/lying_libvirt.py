"""A fake that stands where no real part can be had: a libvirt daemon that lies.

It speaks the daemon's side of libvirt's protocol (remote_protocol.x, qemu_protocol.x, virnetprotocol.x) to libvirt's
own client, over a socket that `qemu+unix` or what comes by SSH leads to.

    python lying_libvirt.py SOCKET LIE
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QEMU_PROGRAM = 0x20008087
OK, ERROR = 0, 1
NO_DOMAIN, INTERNAL = 42, 1
"""virErrorNumber."""
RUNNING, SHUTOFF = 1, 5
"""virDomainState."""
LIMIT = 4 << 20
"""Bytes of a string that libvirt's client takes."""

NUMBERS = {
    1: "open",
    2: "close",
    14: "xml",
    23: "lookup",
    24: "uuid",
    60: "feature",
    66: "auth",
    150: "active",
    151: "persistent",
    157: "version",
    183: "saved",
    212: "state",
    229: "control",
    273: "list",
    342: "capabilities",
    15: "autostart",
}
"""Procedures that are asked for, by remote_procedure's numbers."""


def xdr_string(text: bytes) -> bytes:
    """A string as XDR has it."""
    return struct.pack(">I", len(text)) + text + bytes(-len(text) % 4)


def xml(name: str = "vm", *, alias: str = "net0", more: str = "", nics: int = 1) -> bytes:
    """A domain as libvirt would tell it."""
    nic = f"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/><model type='virtio'/><alias name='{alias}'/></interface>"
    return f"<domain type='kvm' id='1'><name>{name}</name><uuid>{uuid.UUID(int=1)}</uuid>{more}<devices>{nic * nics}</devices></domain>".encode()


VIRTIO = b'{"return": {"host-features": {"dev-features": ["VIRTIO_NET_F_GUEST_CSUM: x"]}, "guest-features": {"dev-features": []}, "status": {"statuses": []}}}'


@dataclass(frozen=True)
class Told:
    """A domain as the liar tells it."""

    name: bytes
    xml: bytes | None = None
    """None where it is as a libvirt would tell it."""
    number: int = 1
    """Its ID."""
    state: int = RUNNING
    salt: int = 0
    """Makes its UUID another than that of others of its name."""

    @property
    def packed(self) -> bytes:
        identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{self.salt}{self.name!r}").bytes
        return xdr_string(self.name) + identity + struct.pack(">i", self.number)

    @property
    def text(self) -> bytes:
        return xml() if self.xml is None else self.xml


class Silent(Exception):  # noqa: N818 - as the one below
    """No answer, nor to what comes next on this connection: libvirt's client does not tell it for sure."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """An answer that is an error of this code."""

    def __init__(self, code: int, words: bytes) -> None:
        super().__init__(code)
        self.packed = (
            struct.pack(">iiI", code, 10, 1) + xdr_string(words) + struct.pack(">iIIIIiiI", 2, *[0] * 7)
        )


def says(text: bytes) -> Callable[[bytes], bytes]:
    """Answers with this string, whatever is asked."""
    return lambda _: xdr_string(text)


def refuses(code: int, words: bytes) -> Callable[[bytes], bytes]:
    """Answers with this error, whatever is asked."""

    def refuse(_: bytes) -> bytes:
        raise Refused(code, words)

    return refuse


@dataclass(frozen=True)
class Lie:
    """What the liar says; what is not told otherwise, it says as a libvirt would."""

    domains: Sequence[Told] = (Told(b"vm"),)
    listed: Callable[[int], Sequence[Told]] | None = None
    """The domains of the nth list."""
    answers: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    """What a procedure answers to its arguments, by its name in NUMBERS, or `monitor`."""
    silent: frozenset[str] = frozenset()
    """Procedures that are never answered."""


class Liar:
    """A daemon that tells a lie, to everyone who connects."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie
        self._lists = itertools.count()
        self._clients: list[socket.socket] = []
        self._names = {told.name: told for told in lie.domains}

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is closed."""
        with suppress(OSError):
            while True:
                self._clients.append(listener.accept()[0])
                threading.Thread(target=self._talk, args=self._clients[-1:], daemon=True).start()

    def hang_up(self) -> None:
        """Leave everyone, who would wait for an answer else."""
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, suppress(OSError):
            while len(head := stream.read(28)) == 28:
                length, program, version, procedure, _, serial, _ = struct.unpack(">7I", head)
                what = "monitor" if program == QEMU_PROGRAM else NUMBERS.get(procedure, "")
                asked = stream.read(length - 28)
                try:
                    if what in self._lie.silent:
                        continue
                    status, said = OK, self._answer(what, asked)
                except Silent:
                    stream.read()  # until it hangs up
                except Refused as refusal:
                    status, said = ERROR, refusal.packed
                reply = struct.pack(">6I", program, version, procedure, 1, serial, status) + said
                client.sendall(struct.pack(">I", len(reply) + 4) + reply)

    def _answer(self, what: str, asked: bytes) -> bytes:
        own = self._lie.answers.get(what)
        return own(asked) if own else getattr(self, f"_{what}", _unknown)(asked)

    def _told(self, asked: bytes) -> Told:
        (length,) = struct.unpack_from(">I", asked)
        if (found := self._names.get(asked[4 : 4 + length])) is None:
            raise Refused(NO_DOMAIN, b"none of that name")
        return found

    def _open(self, _: bytes) -> bytes:
        return b""

    _close = _open

    def _feature(self, _: bytes) -> bytes:
        return struct.pack(">i", 0)

    def _auth(self, _: bytes) -> bytes:
        return struct.pack(">II", 1, 0)

    def _version(self, _: bytes) -> bytes:
        return struct.pack(">Q", 9_000_000)

    def _list(self, asked: bytes) -> bytes:
        _, flags = struct.unpack(">iI", asked)
        lists = self._lie.listed
        found = lists(next(self._lists)) if lists else [d for d in self._lie.domains if _is_in(d, flags)]
        packed = b"".join(told.packed for told in found)
        return struct.pack(">I", len(found)) + packed + struct.pack(">I", len(found))

    def _xml(self, asked: bytes) -> bytes:
        return xdr_string(self._told(asked).text)

    def _lookup(self, asked: bytes) -> bytes:
        return self._told(asked).packed

    def _uuid(self, asked: bytes) -> bytes:
        for told in self._lie.domains:
            if asked in told.packed:
                return told.packed
        raise Refused(NO_DOMAIN, b"none of that UUID")

    def _state(self, asked: bytes) -> bytes:
        return struct.pack(">ii", self._told(asked).state, 0)

    def _control(self, _: bytes) -> bytes:
        return struct.pack(">IIQ", 0, 0, 0)

    def _persistent(self, _: bytes) -> bytes:
        return struct.pack(">i", 1)

    _autostart = _active = _persistent
    _saved = _feature

    def _capabilities(self, _: bytes) -> bytes:
        return xdr_string(b"<domainCapabilities><path>/usr/bin/qemu</path></domainCapabilities>")

    def _monitor(self, _: bytes) -> bytes:
        return xdr_string(VIRTIO)


def _unknown(_: bytes) -> bytes:
    raise Refused(3, b"no support for it")


def _is_in(told: Told, flags: int) -> bool:
    """Whether a list of these flags has the domain (virConnectListAllDomainsFlags)."""
    states = {RUNNING: 16, 3: 32, SHUTOFF: 64}
    if flags & (8 | 256):  # transient, with managed save
        return False
    return not flags or bool(flags & states.get(told.state, 128)) or (flags == 1 and told.state != SHUTOFF)


@contextmanager
def lying(place: Path, lie: Lie) -> Iterator[str]:
    """A liar in this process: the URI by which it is reached."""
    liar = Liar(lie)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(64)
        threading.Thread(target=liar.serve, args=(listener,), daemon=True).start()
        try:
            yield f"qemu+unix:///system?socket={place}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            liar.hang_up()


BOLD = b"no\n\x1b[31m"
"""What steers a terminal."""
FAT = "<description>\N{GRINNING FACE}" + "x" * (LIMIT - 1000) + "</description>"
"""In Python's memory four bytes a character."""
STRANGE: Mapping[str, Told] = {
    "newline": Told(b"a\nb" + BOLD),
    "path": Told(b"../../x"),
    "empty": Told(b""),
    "long name": Told(b"n" * 1_000_000),
    "no UTF-8": Told(b"a\xff"),
    "alias is a path": Told(b"alias-path", xml(alias="../../x")),
    "alias has a control character": Told(b"alias-control", xml(alias="a&#10;b")),
    "alias is long": Told(b"alias-long", xml(alias="x" * 100_000)),
    "device's name is long": Told(b"target-long", xml().replace(b"vnet0", b"x" * 100_000)),
    "XML is no UTF-8": Told(b"latin", xml(more="<title>@</title>").replace(b"@", b"\xff")),
    "XML is longer than a message": Told(b"huge", xml(more=f"<title>{'x' * 10_000_000}</title>")),
    "XML has a DTD": Told(b"dtd", b'<!DOCTYPE a [<!ENTITY b "c">]>' + xml()),
    "XML of many elements": Told(b"elements", xml(more="<a/>" * 200_000)),
    "XML is none": Told(b"none", b"\x1b[31m"),
}
"""Domains that no libvirt tells of, by what is wrong with them."""
GOOD = (Told(b"first", number=7), Told(b"last", number=8))
LIES: Mapping[str, Lie] = {
    "strange": Lie((GOOD[0], *STRANGE.values(), GOOD[1])),
    "fat": Lie((GOOD[0], *(Told(b"fat%d" % i, xml(more=FAT)) for i in range(20)), GOOD[1])),
    "refusing": Lie(
        GOOD, answers=dict.fromkeys(("list", "lookup"), refuses(INTERNAL, BOLD * (LIMIT // len(BOLD))))
    ),
}
"""By name, for a liar in another process."""


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{sys.argv[1]}.new")
        sock.listen(64)
        Path(f"{sys.argv[1]}.new").rename(sys.argv[1])  # whoever sees it is served
        Liar(LIES[sys.argv[2]]).serve(sock)
