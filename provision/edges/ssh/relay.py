"""Reaches a UNIX socket on another host (QEMU's monitor) through a small program there.

Debian has Perl wherever it is, most hosts have Python, and some have neither and socat.
"""

from __future__ import annotations

import select
import shlex
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from provision.edges.ssh.route import PATIENCE
from provision.runtime.command import HELD
from provision.runtime.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.edges.ssh.stream import SshStream
    from provision.runtime.command import Argv

_PYTHON = f"""
import os, select, socket, sys
line = socket.socket(socket.AF_UNIX)
try:
    line.connect(sys.argv[1])
except OSError as error:
    sys.exit(error.strerror)
os.write(1, b"{HELD}\\n")
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
use IO::Socket::UNIX;
use IO::Select;
my $line = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\\n";
syswrite STDOUT, "{HELD}\\n";
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

# From its directory, so that no path is too long, or means something to socat.
_RELAY = f"""
cd -- "${{1%/*}}" || exit
name=./${{1##*/}}
command -v python3 >/dev/null && exec python3 -I -S -c {shlex.quote(_PYTHON)} "$name"
command -v perl >/dev/null && exec perl -e {shlex.quote(_PERL)} -- "$name"
command -v socat >/dev/null || {{ echo 'none of python3, perl and socat is there' >&2; exit 1; }}
[ -S "$name" ] || {{ echo 'No such file or directory' >&2; exit 1; }}
echo {HELD}
exec socat - UNIX-CONNECT:"$name"
"""


def relayed(host: str, start: Callable[[Argv], SshStream], path: str) -> socket.socket:
    """A socket that is connected to the one at a path on the host; what carries it ends when either end is closed.

    :raise HostError: when nothing listens there, or the host has no program that could connect.
    """
    stream = start(("sh", "-c", _RELAY, "sh", path))
    out = err = b""
    deadline = time.monotonic() + PATIENCE
    head = HELD.encode() + b"\n"
    try:
        while not out.startswith(head):
            more = stream.receive(max(0.0, deadline - time.monotonic()))
            if more is None or (time.monotonic() >= deadline and not any(more)):
                break
            out, err = out + more[0], err + more[1]
    except OSError as error:
        err = str(error).encode()
    if not out.startswith(head):
        stream.kill()
        words = err.decode("utf-8", "replace").strip() or f"nothing within {PATIENCE} s"
        raise HostError(f"no monitor answers at {path} on {host}: {words}")
    near, far = socket.socketpair()
    stream.unread(out[len(head) :], b"")
    threading.Thread(target=_carry, args=(stream, far), daemon=True).start()
    return near


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
