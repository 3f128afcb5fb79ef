"""A guest that runs scripts over SSH, whatever its login shell is: sh, PowerShell, cmd.exe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from provision.edges.ssh.host import SshHost
from provision.edges.ssh.route import PATIENCE
from provision.runtime.command import Result
from provision.runtime.deadline import LAST_SECONDS, Deadline, limited, with_its_end, within_limit
from provision.runtime.errors import DeadlineError, HostError, LostError, WaitedError
from provision.runtime.guest_words import as_run
from provision.runtime.interrupt import look, shield

if TYPE_CHECKING:
    from provision.edges.ssh.stream import SshStream
    from provision.runtime.command import Run
    from provision.runtime.guest_channel import GuestWay, Script, System

_MOST = 4 << 20
"""Bytes that a script may put out, on both streams together; as much as an agent may answer."""
_MOST_SAID = 4 * _MOST
"""Bytes that may come over the connection for that, each of its packets with what SSH adds."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""
_NO_STATUS = -1
"""What paramiko gives for the exit status of who told none: it was killed, or the connection broke."""


class SshGuest:
    """A guest that is asked over SSH; a context manager, so that the connection ends."""

    def __init__(self, way: GuestWay) -> None:
        """The way's target is the guest; its host key has to be known, as any host's.

        :raise HostError: when the way leads nowhere.
        """
        if way.target is None:
            raise HostError(f"{way} leads to no guest")
        self._way, self._name = way, str(way)
        self._host = SshHost(way.target, _MOST_SAID)

    def __enter__(self) -> Self:
        """Return itself; the connection is made when first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._host.close()

    def system(self) -> System:
        """What runs there, as was said beforehand.

        :raise HostError: when nothing was.
        """
        if self._way.system is None:
            raise HostError(f"whether Windows or Linux runs at {self._name} is not said")
        return self._way.system

    def run(self, script: Script, *, timeout: float) -> Result:
        """Run a script and return how it ended.

        :raise DeadlineError: when it does not end in time. It has been ended then where the guest has a `sh`, for which the
            last seconds are kept; what Windows' sshd has started for us without a terminal runs on when we hang up
            (Win32-OpenSSH issue 1751).
        :raise HostError: when the guest is not reached, or what it says is too much.
        """
        run = as_run(script)
        deadline, whole = with_its_end(within_limit(timeout))
        stream: SshStream | None = None
        try:
            with limited(deadline):
                stream = self._start(script, run)
                return self._result(script, run, stream, deadline)
        except BaseException as error:
            if stream is not None:
                self._end(stream, min(LAST_SECONDS, whole.remaining))
            if isinstance(error, HostError) and deadline.expired:
                raise DeadlineError(self._late(script, deadline, error), whole=False) from error
            raise

    def _end(self, stream: SshStream, seconds: float) -> None:
        with shield(), limited(Deadline(seconds)):
            if stream.end_all is None:
                self._host.close()  # there is nobody to be told
            stream.kill(seconds)
            self._host.close()

    def _start(self, script: Script, run: Run) -> SshStream:
        """The program that reads the script; of a `sh` we know the process group, by which it can be ended."""
        if script.shell == "sh":
            return self._host.start(run.argv)
        return self._host.execute(" ".join(run.argv))  # none of its words needs quoting in any shell

    def _result(self, script: Script, run: Run, stream: SshStream, deadline: Deadline) -> Result:
        out, err = bytearray(), bytearray()
        rest: memoryview | None = memoryview(run.stdin.encode("utf-8", "surrogateescape"))
        try:
            while True:
                look()
                if rest is not None:
                    rest = _fed(stream, rest)
                if (more := stream.receive(min(_LOOK, deadline.remaining) if rest is None else 0)) is None:
                    break
                out += more[0]
                err += more[1]
                if len(out) + len(err) > _MOST:
                    raise HostError(f"{script.name} puts out more than {_MOST >> 20} MiB at {self._name}")
                if deadline.expired:
                    raise WaitedError(f"waited {deadline.seconds:.3g} s for its end")
        except ConnectionError as error:
            raise LostError(f"{self._name} was lost while {script.name} ran: {error}", whole=False) from error
        status = stream.end(min(PATIENCE, max(_LOOK, deadline.remaining)))
        if status == _NO_STATUS:
            raise LostError(f"{script.name} ended at {self._name} without an exit status", whole=False)
        said = (data.decode("utf-8", "replace") for data in (out, err))
        return Result(self._name, run.argv, status, *said)

    def _late(self, script: Script, deadline: Deadline, error: HostError) -> str:
        left = ", and may still run there" if script.shell == "powershell" else ""
        why = "" if isinstance(error, WaitedError) else f": {error}"
        return f"{script.name} did not end within {deadline.seconds:.3g} s at {self._name}{left}{why}"


def _fed(stream: SshStream, rest: memoryview) -> memoryview | None:
    """What a program has still to read, after it was offered some; None once its input has ended."""
    try:
        rest = rest[stream.offer(rest) :] if rest else rest
    except ConnectionError:  # one that has ended without reading says why
        rest = rest[:0]
    if rest:
        return rest
    stream.end_input()
    return None
