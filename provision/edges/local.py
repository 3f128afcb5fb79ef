"""This machine, as a host that runs commands."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from provision.edges.shell import ShellHost

if TYPE_CHECKING:
    from provision.runtime.command import Argv, Say

# Debian keeps ip and ethtool where an ordinary user's PATH does not look.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {**os.environ, "PATH": f"{path}:{SBIN}", "LC_ALL": "C.UTF-8"}


class LocalStream:
    """A program here, in a session of its own: the terminal's Ctrl-C is for us alone."""

    def __init__(self, argv: Argv) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(), start_new_session=True
        )
        self._selector = selectors.DefaultSelector()
        for index, stream in enumerate((self._process.stdout, self._process.stderr)):
            if stream is not None:
                self._selector.register(stream, selectors.EVENT_READ, index)

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002 - who waits here hears at once
        """Write to its input."""
        if self._process.stdin is not None:
            left = memoryview(data)
            while left:
                left = left[self._process.stdin.write(left) :]

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What it has put out and complained since; None once both have ended."""
        if not self._selector.get_map():
            return None
        found = [b"", b""]
        for key, _ in self._selector.select(seconds):
            data = os.read(key.fd, 1 << 16)
            found[key.data] += data
            if not data:
                self._selector.unregister(key.fileobj)
        return found[0], found[1]

    def end(self, seconds: float) -> int:
        """End its input and wait for it; one that does not end in time is killed."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            # Popen's own wait looks every so often, up to 50 ms late
            ended = os.pidfd_open(self._process.pid)
            try:
                select.select([ended], [], [], seconds)
            finally:
                os.close(ended)
            if self._process.poll() is None:
                self.kill()
            return self._process.wait()
        finally:
            self._close()

    def kill(self) -> None:
        """End it, and what it has started in its session."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def local_host(trace: Say | None = None) -> ShellHost:
    """This machine."""
    return ShellHost("local", LocalStream, trace)
