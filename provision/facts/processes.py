"""Parses what our script reads of QEMU processes in /proc: what the kernel says, and their own words."""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import options, properties
from provision.runtime.errors import reading
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_QEMU = re.compile(r"\.?(?:qemu-system-[\w-]+|qemu-kvm|kvm)(?:-wrapped)?(?: \(deleted\))?")
"""A QEMU's executable, as distributions name it; NixOS wraps it, and an update deletes the one that runs."""

_STARTED = 19
"""Where /proc/PID/stat has the start time, counted after the command's name (proc_pid_stat(5), field 22)."""

_MOST_WORDS = 1_000_000
"""A QEMU with 32 queues has 600 of arguments and descriptors."""

_FILE = re.compile(r"/proc/(\d+|self)/(?:fd/\.\./)?(.+)", re.DOTALL)
_NETWORK = re.compile(r"(net:\[\d+\]) (listening|links|features|queueing|routes)")
_NAME = re.compile(
    r"/proc/(?:\d+|self)/(?:status|cmdline|stat|exe|ns/\w+|fd/\d+|(?:fd/\.\./)?fdinfo/\d+)|/proc/sys/[a-z0-9_/]+|/.+\.(?:pid|started)"
    r"|net:\[\d+\] [a-z]+|left out|end"
)
"""What is told of has one of these names; any other is the sign that something was cut before it."""
_UNIX = re.compile(r"^unix \S+: \S+ \S+ 00010000 0001 01 +(\d+) (/.*)$", re.MULTILINE)
_ACCEPTED = re.compile(r"^unix \S+: \S+ \S+ 00000000 0001 03 +(\d+) (/.*)$", re.MULTILINE)
_TCP = re.compile(
    r"^tcp +\d+: ([0-9A-F]{8,32}):([0-9A-F]{4}) 0+:0000 0A(?: +\S+){5} +(\d+) .*$", re.MULTILINE
)
_LOOPBACK = {
    "0100007F": ("127.0.0.1",),
    "0" * 8: ("127.0.0.1",),
    f"{'0' * 24}01000000": ("[::1]",),
    "0" * 32: ("127.0.0.1", "[::1]"),
}
"""The loopback address by the addresses at which it is answered, as a little-endian /proc/net/tcp has them."""
_TAP = re.compile(r"^iff:\s*(\S+)$", re.MULTILINE)
_UID = re.compile(r"^Uid:\s+(\d+)", re.MULTILINE)
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_MACVTAP = re.compile(r"/dev/tap(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, by what the kernel says of it; its arguments are its own words."""

    pid: int
    argv: tuple[str, ...] = ()
    program: str = ""
    """Its executable; empty where we may not see it."""
    uid: int | None = None
    started: int | None = None
    """Clock ticks after the host's boot; with the pid it tells one process from all others of a boot."""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    """As `net:[4026531840]`, by their names; empty where we may not see them."""
    taps: Mapping[int, str] = field(default_factory=dict)
    """The TAPs that it has open, by descriptor; a macvtap as `ifindex N`."""
    sockets: frozenset[int] = frozenset()
    """Inodes."""
    stopped: bool = False
    """Whether somebody has stopped it (SIGSTOP, a debugger)."""

    @property
    def is_qemu(self) -> bool:
        """Whether its executable is a QEMU that runs machines."""
        return _QEMU.fullmatch(self.program.rpartition("/")[2]) is not None

    @property
    def machine(self) -> str:
        """What it calls its machine; empty where it does not say."""
        said = (properties(text, "guest").get("guest") for text in options(self.argv, "name"))
        return next(filter(None, said), "")

    @property
    def pidfile(self) -> str:
        """The file that it says to write its pid into; empty where it does not say so."""
        return next(options(self.argv, "pidfile"), "")


@dataclass(frozen=True, slots=True)
class Network:
    """A network namespace that QEMUs are in."""

    listening: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The inodes of the sockets that listen at a path, of which all but one have lost it, or at `tcp:127.0.0.1:PORT`."""
    connected: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The inodes of the sockets that were accepted at a path."""
    links: str = ""
    """`ip` of its devices, as the tool said it; empty of our own."""
    features: str = ""
    """`ethtool` of them."""
    queueing: str = ""
    """`tc` of them."""
    uplinks: tuple[str, ...] = ()
    """The devices of its default routes that are in use."""
    routed: frozenset[str] = frozenset()
    """The devices that any route leads by."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a TAP open, of whatever kind, and the network namespace that it is in."""

    pid: int
    tap: str
    network: str


@dataclass(frozen=True, slots=True)
class Processes:
    """The QEMUs of a host, and who looked at them."""

    reader: Process | None
    """None where they were read by rscvm 0.1.0, which looked at arguments alone."""
    found: tuple[Process, ...] = ()
    noted: Mapping[str, str] = field(default_factory=dict)
    """What stands in the files that name a machine's process, by their paths."""
    networks: Mapping[str, Network] = field(default_factory=dict)
    """By the words for them, as in a process's namespaces."""
    holders: tuple[Holder, ...] = ()
    """Everybody who has a TAP open, QEMUs too."""


def parse_processes(text: str, *, ended: bool = False) -> Processes:
    """The processes out of files of /proc, each a path and what is in it, all in one base64; or as 0.1.0 listed them.

    A process that ended, or became another one, while it was read is left out.

    :param ended: whether its end is told, by which one that was cut is known.
    :raise UnreadableError: when it is not that.
    """
    with reading("the list of processes", text, encoded=True):
        if "\t" in text:
            return Processes(None, tuple(map(_of_0_1, text.splitlines())))
        return _processes(_words(text), ended=ended)


def _processes(words: Sequence[str], *, ended: bool) -> Processes:
    """:raise ValueError: when the reader is not among them, or something that has to be a number is none."""
    files: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    noted: dict[str, str] = {}
    networks: dict[str, dict[str, str]] = defaultdict(dict)
    for path, said in zip(words[::2], words[1::2], strict=False):
        if not _NAME.fullmatch(path):
            raise ValueError(f"{short(path, 40)!r} is no name of what was asked for")
        if place := _FILE.fullmatch(path):
            files[place[1]][place[2]].append(said)
        elif network := _NETWORK.fullmatch(path):
            networks[network[1]][network[2]] = said
        else:
            noted[path] = said.strip()
    if noted.pop("end", None) is None and ended:
        raise ValueError("its end is not there")
    reader = _process(0, files.pop("self", {}))
    if reader is None:
        raise ValueError("nobody tells who reads")
    found = (_process(int(pid), said) for pid, said in files.items())
    return Processes(
        reader,
        tuple(each for each in found if each and each.argv and each.started is not None),
        noted,
        {name: _network(said) for name, said in networks.items()},
        tuple(
            Holder(int(pid), tap, said["ns/net"][-1] if "ns/net" in said else "")
            for pid, said in files.items()
            for tap in sorted(set(_taps(said).values()))
        ),
    )


def _words(text: str) -> list[str]:
    """Names and what is said of them, in turn; what was cut at the end is left out.

    :raise ValueError: when they are no base64, or too many.
    """
    data = base64.b64decode(text.strip(), validate=True)
    if data.count(b"\0") > _MOST_WORDS:
        raise ValueError(f"it has more than {_MOST_WORDS} words")
    return data.decode("utf-8", "replace").split("\0")[:-1]


def _taps(files: Mapping[str, list[str]]) -> dict[int, str]:
    """The TAPs among a process's descriptors."""
    rows = (
        (name.removeprefix("fdinfo/"), _TAP.search(said[-1]))
        for name, said in files.items()
        if "fdinfo/" in name
    )
    return {int(name): tap[1] for name, tap in rows if tap}


def _process(pid: int, files: Mapping[str, list[str]]) -> Process | None:
    """One process; None where it is not the same one in all that was read."""
    said = {name: rows[-1] for name, rows in files.items()}
    started = {_started(stat) for stat in files.get("stat", ())}
    uid = _UID.search(said.get("status", ""))
    if len(started) > 1 or not uid:
        return None
    links = {name.removeprefix("fd/"): link for name, link in said.items() if name.startswith("fd/")}
    macvtaps = {
        int(name): f"ifindex {tap[1]}" for name, link in links.items() if (tap := _MACVTAP.fullmatch(link))
    }
    sockets = (_SOCKET.fullmatch(link) for link in links.values())
    return Process(
        pid,
        tuple(files.get("cmdline", ())),
        said.get("exe", ""),
        int(uid[1]),
        next(iter(started), None),
        {name.removeprefix("ns/"): link for name, link in said.items() if name.startswith("ns/")},
        {**macvtaps, **_taps(files)},
        frozenset(int(inode[1]) for inode in sockets if inode),
        said.get("stat", "").rpartition(") ")[2][:1] in ("T", "t"),
    )


def _network(said: Mapping[str, str]) -> Network:
    text = said.get("listening", "")
    listening: dict[str, set[int]] = defaultdict(set)
    for inode, path in _UNIX.findall(text):
        listening[path].add(int(inode))
    for address, port, inode in _TCP.findall(text):
        for loopback in _LOOPBACK.get(address, ()):
            listening[f"tcp:{loopback}:{int(port, 16)}"].add(int(inode))
    connected: dict[str, set[int]] = defaultdict(set)
    rows = Counter(inode for inode, _ in _UNIX.findall(text) + _ACCEPTED.findall(text))
    for inode, path in _ACCEPTED.findall(text):
        if rows[inode] == 1:  # a path may hold a line break, and so forge a row: each socket has but one
            connected[path].add(int(inode))
    return Network(
        {place: frozenset(inodes) for place, inodes in listening.items()},
        {place: frozenset(inodes) for place, inodes in connected.items()},
        said.get("links", ""),
        said.get("features", ""),
        said.get("queueing", ""),
        *_routes(said.get("routes", "")),
    )


def _routes(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The devices of the default routes in use, of each family those of the least metric; and all that have any route."""
    rows = [words for line in text.splitlines() if len(words := line.split()) == 3]
    uplinks: dict[str, None] = {}
    for family, base in (("default4", 10), ("default6", 16)):
        found = [(int(metric, base), device) for kind, device, metric in rows if kind == family]
        uplinks |= dict.fromkeys(device for metric, device in found if metric == min(found)[0])
    return tuple(uplinks), frozenset(device for _, device, _ in rows)


def _started(stat: str) -> int | None:
    """The start time; the command's name before it may hold anything, brackets and line breaks too."""
    words = stat.rpartition(") ")[2].split()
    return int(words[_STARTED]) if len(words) > _STARTED and words[_STARTED].isdigit() else None


def _of_0_1(line: str) -> Process:
    """A line of pid and command line in base64."""
    pid, encoded = line.split("\t")
    argv = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").split("\0")[:-1]
    return Process(int(pid), tuple(argv))
