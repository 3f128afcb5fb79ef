"""Reaches a UNIX socket on another host (QEMU's monitor) through a small program there.

Debian has Perl wherever it is, most hosts have Python, and some have neither and socat.
"""

from __future__ import annotations

import re
import select
import shlex
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from provision.edges.sockets import Line
from provision.edges.ssh.route import PATIENCE
from provision.runtime.command import HELD
from provision.runtime.errors import HostError
from provision.runtime.places import LOOPBACK
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from provision.edges.ssh.stream import SshStream
    from provision.runtime.command import Argv

_ANOTHERS = "its file is not a socket of the user whose process the machine is"
_OPEN = "others than the user whose process the machine is may change what is there"
_MOST = 1 << 16
"""Bytes that what connects there may say before it has."""
_FIRST = re.compile(rb"%s ([0-9]{1,10})\n" % HELD.encode())

_PYTHON = f"""
import os, re, select, socket, stat, struct, sys
place, uid = sys.argv[1:]
peer = 0
try:
    if tcp := re.fullmatch({LOOPBACK!r}, place):
        line = socket.create_connection((tcp["host"].strip("[]"), int(tcp["port"])))
    else:
        for way in uid and (os.path.abspath(place), os.path.realpath(place)) or ():
            while way != "/":
                way = os.path.dirname(way)
                kept = os.lstat(way)
                free = kept.st_mode & 0o022 and not kept.st_mode & 0o1000 and not stat.S_ISLNK(kept.st_mode)
                if kept.st_uid not in (0, int(uid)) or free:
                    sys.exit({_OPEN!r})
        file = os.open(place, os.O_PATH)
        found = os.fstat(file)
        if uid and (found.st_uid != int(uid) or not stat.S_ISSOCK(found.st_mode)):
            sys.exit({_ANOTHERS!r})
        line = socket.socket(socket.AF_UNIX)
        line.connect("/proc/self/fd/%d" % file)
        peer = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
except OSError as error:
    sys.exit(error.strerror)
os.write(1, b"{HELD} %d\\n" % peer)
while True:
    for end in select.select([0, line], [], [])[0]:
        data = line.recv(65536) if end is line else os.read(0, 65536)
        if not data:
            sys.exit()
        if end is line:
            while data:
                data = data[os.write(1, data):]
        else:
            line.sendall(data)
"""

_PERL = f"""
use Cwd;
use Fcntl;
use Socket;
use IO::Select;
my ($place, $uid) = @ARGV;
my ($line, $file, $peer) = (undef, undef, 0);
if ($place =~ /^tcp:(127[.]0[.]0[.]1|[[]::1[]]):([0-9]+)$/) {{
    my ($six, $port) = ($1 ne "127.0.0.1", $2);
    socket($line, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die "$!\\n";
    my $to = $six ? pack_sockaddr_in6($port, Socket::inet_pton(AF_INET6, "::1")) : pack_sockaddr_in($port, INADDR_LOOPBACK);
    connect($line, $to) or die "$!\\n";
}} else {{
    for ($uid eq "" ? () : ($place, Cwd::realpath($place) // $place)) {{
        my $way = $_;
        while ($way =~ s,/[^/]*$,,) {{
            my @kept = lstat($way eq "" ? "/" : $way);
            my $free = ($kept[2] & 022) && !($kept[2] & 01000) && !-l _;
            die "{_OPEN}\\n" if $free or ($kept[4] != 0 and $kept[4] != $uid);
        }}
    }}
    sysopen($file, $place, 0x200000) or die "$!\\n"; # O_PATH
    my @found = stat $file;
    die "{_ANOTHERS}\\n" if $uid ne "" and ($found[4] != $uid or !-S _);
    socket($line, AF_UNIX, SOCK_STREAM, 0) or die "$!\\n";
    connect($line, pack_sockaddr_un("/proc/self/fd/" . fileno $file)) or die "$!\\n";
    ($peer) = unpack "l", getsockopt($line, SOL_SOCKET, SO_PEERCRED);
}}
syswrite STDOUT, "{HELD} $peer\\n";
my $ends = IO::Select->new(\\*STDIN, $line);
while (1) {{
    for my $end ($ends->can_read) {{
        exit unless sysread $end, my $data, 65536;
        my $to = $end == $line ? \\*STDOUT : $line;
        while (length $data) {{
            my $sent = syswrite $to, $data or exit;
            substr $data, 0, $sent, "";
        }}
    }}
}}
"""

# socat goes from its directory, so that no path is too long, or means something to it; whose a socket is it cannot see.
_RELAY = f"""
command -v python3 >/dev/null && exec python3 -I -S -c {shlex.quote(_PYTHON)} "$@"
command -v perl >/dev/null && exec perl -e {shlex.quote(_PERL)} -- "$@"
command -v socat >/dev/null || {{ echo 'none of python3, perl and socat is there' >&2; exit 1; }}
[ -z "$2" ] || {{ echo 'whose the socket is cannot be seen without python3 or perl' >&2; exit 1; }}
case $1 in
tcp:*) to=TCP:${{1#tcp:}} ;;
*)
    cd -- "${{1%/*}}" || exit
    to=UNIX-CONNECT:./${{1##*/}}
    [ -S "./${{1##*/}}" ] || {{ echo 'No such file or directory' >&2; exit 1; }}
    ;;
esac
echo {HELD} 0
exec socat - "$to"
"""

SCRIPTS = {"relay": _RELAY}
"""Every constant script above, for the linter."""


class Relayed(Protocol):
    """The streams of the program that relays."""

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """As of any stream."""
        ...

    def unread(self, out: bytes, err: bytes) -> None:
        """Let this be what it says next."""
        ...

    def kill(self) -> None:
        """As of any stream."""
        ...


_S = TypeVar("_S", bound=Relayed)


def relayed(
    host: str, start: Callable[[Argv], SshStream], place: str, uid: int | None
) -> AbstractContextManager[Line]:
    """A connection to a path on the host, or to a port of its loopback.

    :raise HostError: as `relayed_by`.
    """
    return relayed_by(host, start, place, uid, _carry)


@contextmanager
def relayed_by(
    host: str,
    start: Callable[[Argv], _S],
    place: str,
    uid: int | None,
    carry: Callable[[_S, socket.socket], None],
) -> Iterator[Line]:
    """A connection to a path on the host, or to a port of its loopback; `carry` hands on both ways.

    What carries it ends when either end is closed. A path is connected to only where its file is this user's.

    :raise HostError: when nothing listens there, the file is another's, or the host has no program that could connect.
    """
    stream = start(("sh", "-c", _RELAY, "sh", place, "" if uid is None else str(uid)))
    out = err = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while not (first := _FIRST.match(out)):
            more = stream.receive(max(0.0, deadline - time.monotonic()))
            if more is None or (time.monotonic() >= deadline and not any(more)):
                break
            out, err = out + more[0], err + more[1]
            if len(out) + len(err) > _MOST and not _FIRST.match(out):
                break
    except OSError as error:
        err = str(error).encode()
    if not first:
        stream.kill()
        words = quoted(err[-_MOST:].decode("utf-8", "replace")) or f"nothing within {PATIENCE} s"
        raise HostError(f"nobody answers at {place} on {host}: {words}")
    near, far = socket.socketpair()
    stream.unread(out[first.end() :], b"")
    threading.Thread(target=carry, args=(stream, far), daemon=True).start()
    with near:
        yield Line(near, int(first[1]) or None)


def _carry(stream: SshStream, far: socket.socket) -> None:
    """Hand on both ways until one end is closed."""
    with far, suppress(OSError, EOFError):
        ends: list[SshStream | socket.socket] = [stream, far]
        ready = ends[:1]  # what came with the first line is no longer announced
        while True:
            if stream in ready:
                more = stream.receive(0)
                if more is None:
                    break
                far.sendall(more[0])
            if far in ready:
                data = far.recv(1 << 16)
                if not data:
                    break
                stream.send(data)
            ready = select.select(ends, [], [])[0]
    stream.end(PATIENCE)
