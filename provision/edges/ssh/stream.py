"""The standard streams of a program on a host, over one channel of an SSH connection."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from provision.edges.ssh.route import PATIENCE
from provision.runtime.deadline import Deadline, within_limit
from provision.runtime.interrupt import shield
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from paramiko import Channel

_KILLED = -9
"""The exit status of what was killed, as that of a program here."""
_PIECE = 1 << 15
_MOST = 1 << 20
_LOOK = 0.2
"""Seconds that an offer waits for room."""


_LONGEST = 2 * PATIENCE
"""Seconds in which what is sent is read, where nobody says how long that may take."""


def _nothing() -> None:
    """Wait for nothing else."""


def whole() -> AbstractContextManager[None]:
    """Hold interruptions off while paramiko is at work: one between its taking a lock and letting it go is never made good.

    They come to the main thread alone.
    """
    return shield() if threading.current_thread() is threading.main_thread() else nullcontext()


class _Bell(threading.Event):
    """Rung by paramiko's thread when anything has come; paramiko clears it for each stream apart, so only the reader does."""

    def __init__(self) -> None:
        super().__init__()
        self._near, self._far = socket.socketpair()
        self._lock = threading.Lock()
        for end in (self._near, self._far):
            end.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable when it rings."""
        return self._near.fileno()

    def set(self) -> None:
        """Ring."""
        with self._lock, suppress(OSError):  # full is rung, and closed is past caring
            self._far.send(b"!")

    def clear(self) -> None:
        """Leave it: one stream is empty, and the other may not be."""

    def hush(self) -> None:
        """Until something comes."""
        with suppress(BlockingIOError):
            self._near.recv(1 << 16)

    def close(self) -> None:
        """Ring no more."""
        with self._lock:
            self._near.close()
            self._far.close()


class SshStream:
    """A program on a host; what it had said at first was for us, and is not handed on."""

    def __init__(self, channel: Channel, end_all: Callable[[float], None] | None = None) -> None:
        self._channel = channel
        self.end_all = end_all
        """Ends the program and what it has started, from outside, within so many seconds."""
        self._early: tuple[bytes, bytes] = (b"", b"")
        self._bell = _Bell()
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        channel.settimeout(_LOOK)
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(self._bell)

    def fileno(self) -> int:
        """What becomes readable when something has come, or it has ended."""
        return self._bell.fileno()

    def send(
        self,
        data: bytes,
        until: str = "",  # noqa: ARG002 - who waits here hears at once
        seconds: float = _LONGEST,
        meanwhile: Callable[[], object] = _nothing,
    ) -> None:
        """Write to its input; `meanwhile` is called again and again while it waits.

        :raise TimeoutError: when not all of it has been read by then, however much has.
        :raise ConnectionError: when it is gone, or reads nothing for too long.
        """
        deadline, patience = Deadline(within_limit(seconds)), Deadline(PATIENCE)
        rest = memoryview(data)
        while rest:
            meanwhile()
            if deadline.expired:
                raise TimeoutError(f"it has not read all within {deadline.seconds:.3g} s")
            if taken := self.offer(rest):
                rest, patience = rest[taken:], Deadline(PATIENCE)
            elif patience.expired:
                raise ConnectionError(f"it has read nothing for {PATIENCE} s")

    def offer(self, data: memoryview) -> int:
        """Write to its input what there is room for; perhaps nothing, when none is made within a moment.

        :raise ConnectionError: when it is gone.
        """
        from paramiko import SSHException  # noqa: PLC0415

        try:
            with whole():
                sent: int = self._channel.send(data[:_PIECE].tobytes())
        except TimeoutError:
            return 0
        except (SSHException, EOFError, OSError) as error:
            raise ConnectionError(self._why(str(error) or "the connection broke")) from error
        if not sent:
            raise ConnectionError(self._why("its shell has ended"))
        return sent

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What it has put out and complained since, perhaps nothing; None once both have ended.

        :raise ConnectionError: when the connection broke.
        """
        if any(self._early):
            early, self._early = self._early, (b"", b"")
            return early
        if not self._ended():
            self._poll.poll(max(0.0, seconds) * 1000)
        from paramiko import SSHException  # noqa: PLC0415

        try:
            with whole():
                ended, out, err = self._arrived()
        except (SSHException, EOFError, OSError) as error:  # it is told that there is room again
            raise ConnectionError(self._why(str(error) or "the connection broke")) from error
        if not ended or out or err:
            return out, err
        if why := self._why(""):
            raise ConnectionError(why)
        return None

    def _arrived(self) -> tuple[bool, bytes, bytes]:
        """Whether it has ended, and what has come."""
        self._bell.hush()
        ended = self._ended()
        out, err = bytearray(), bytearray()
        while self._channel.recv_ready() and len(out) < _MOST:  # a host may say more, faster than that
            out += self._channel.recv(_MOST)
        while self._channel.recv_stderr_ready() and len(err) < _MOST:
            err += self._channel.recv_stderr(_MOST)
        if ended:
            self._bell.set()  # whoever waits for it shall learn that at once
        return ended, bytes(out), bytes(err)

    def unread(self, out: bytes, err: bytes) -> None:
        """Hand this out first at the next receive."""
        self._early = (out, err)

    def end_input(self) -> None:
        """Let it read that nothing more comes."""
        from paramiko import SSHException  # noqa: PLC0415

        with suppress(OSError, EOFError, SSHException), whole():
            self._channel.shutdown_write()

    def end(self, seconds: float) -> int:
        """End its input and wait for it; one that does not end in time is killed. Return its exit status."""
        self.end_input()
        if not self._channel.status_event.wait(seconds):
            self.kill()
            return _KILLED
        status = self._channel.recv_exit_status()
        self._close()
        return status

    def kill(self, seconds: float = PATIENCE) -> None:
        """End it, and what it has started, if that takes no longer."""
        if self.end_all is not None and not self._channel.exit_status_ready():
            self.end_all(seconds)
        self._close()

    def _close(self) -> None:
        from paramiko import SSHException  # noqa: PLC0415

        with whole():
            with suppress(OSError, EOFError, SSHException):
                self._channel.close()
            self._bell.close()

    def _ended(self) -> bool:
        return bool(self._channel.eof_received or self._channel.closed)

    def _why(self, otherwise: str) -> str:
        """Why the connection broke, if it did."""
        transport = self._channel.get_transport()
        if transport.is_active():
            return otherwise
        why = quoted(str(transport.saved_exception or ""))
        return f"the SSH connection broke: {why or 'the other side closed it'}"
