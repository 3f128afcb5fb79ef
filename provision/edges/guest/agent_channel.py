"""A guest that runs scripts by its QEMU guest agent: guest-exec, and guest-exec-status until it has ended."""

from __future__ import annotations

import base64
import binascii
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from provision.edges.guest.agent_words import INSTALL
from provision.runtime.command import Result
from provision.runtime.deadline import LAST_SECONDS, Deadline, limited, wait_for, with_its_end, within_limit
from provision.runtime.errors import (
    DeadlineError,
    HostError,
    LostError,
    RefusedError,
    UnreadableError,
    WaitedError,
)
from provision.runtime.guest_words import as_run
from provision.runtime.interrupt import shield
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.edges.guest.agent_words import Agent
    from provision.runtime.command import Argv, Run
    from provision.runtime.guest_channel import Script, System

_ANSWER = 10.0
"""Seconds for one answer: an agent that lives gives each at once, whatever the guest is busy with."""
_FIRST, _SLOWEST = 0.01, 0.5
"""Seconds between two looks whether a script has ended, at first and at last."""
_NEEDED = ("guest-exec", "guest-exec-status")
_ALLOW = (
    "in the guest, let it: FILTER_RPC_ARGS in /etc/sysconfig/qemu-ga (RHEL, Rocky and their like leave it out), or"
    " block-rpcs and allow-rpcs of qemu-ga.conf; then restart qemu-guest-agent"
)
_NEITHER = ("freebsd", "netbsd", "openbsd")
"""IDs of systems that have an agent and none of our scripts (os-release)."""

# Who stops first starts nothing more while those are looked for that it has started. An agent's programs are in the
# agent's own process group, which cannot be ended in its place.
_END_TREE = """
end() {
    kill -STOP "$1" 2>/dev/null
    for each in $(grep -l "^PPid:[[:space:]]*$1\\$" /proc/[0-9]*/status 2>/dev/null); do
        each=${each%/status}
        end "${each##*/}"
    done
    kill -KILL "$1" 2>/dev/null
}
end "$1"
"""

SCRIPTS = {"end_tree": _END_TREE}
"""Every constant script above, for the linter."""

_ENDERS: Mapping[str, Argv] = MappingProxyType(
    {"sh": ("sh", "-c", _END_TREE, "sh"), "powershell": ("taskkill.exe", "/T", "/F", "/PID")}
)
"""By a script's shell: what ends a process and all that it has started; its number follows."""


class AgentGuest:
    """A guest that is asked by its agent; what nobody waits for any more is ended there."""

    def __init__(self, name: str, agent: Agent, system: System | None = None) -> None:
        """`name` is whose agent it is, for a reader."""
        self._name = name
        self._agent = agent
        self._system = system
        self._may = False

    def system(self) -> System:
        """What runs there.

        :raise HostError: when the agent does not tell, or tells of neither.
        """
        if self._system is None:
            with limited(Deadline(within_limit(_ANSWER))):
                self._system = _system(self._name, self._ask("guest-get-osinfo"))
        return self._system

    def run(self, script: Script, *, timeout: float) -> Result:
        """Run a script and return how it ended; its output is bounded by what an agent may answer.

        :raise DeadlineError: when it does not end in time; it has been ended then, if the agent still answers, for which
            the last seconds are kept.
        :raise HostError: when the agent does not answer, may not run it, or the guest was restarted meanwhile.
        """
        run = as_run(script)
        deadline, whole = with_its_end(within_limit(timeout))
        pid: int | None = None
        try:
            with limited(deadline):
                self._see_that_it_may()
                with shield():  # else it would run on there, and nobody would know its number
                    pid = self._start(script, run)
                said = self._ended(script, pid, deadline)
        except (WaitedError, LostError) as error:
            if pid is None:
                raise
            raise self._lost(script, deadline, error, ended=self._end(script, pid, whole)) from error
        except BaseException:
            if pid is not None:
                self._end(script, pid, whole)
            raise
        return _result(self._name, run, said)

    def _ask(self, command: str, **arguments: object) -> object:
        return self._agent.ask(command, arguments, _ANSWER)

    def _see_that_it_may(self) -> None:
        """See, once, that the agent may run programs.

        :raise HostError: when it may not.
        """
        if self._may:
            return
        info = self._ask("guest-info")
        rows = info.get("supported_commands") if isinstance(info, dict) else None
        if not isinstance(rows, list):
            raise UnreadableError(f"what its guest agent may do in {self._name}", repr(info), hint="")
        known = {str(row.get("name")): row.get("enabled") is True for row in rows if isinstance(row, dict)}
        for command in _NEEDED:
            if command not in known:
                version = short(
                    str(info.get("version", "of no version")) if isinstance(info, dict) else "", 40
                )
                raise HostError(f"{self._name}: its guest agent ({version}) has no {command}", hint=INSTALL)
            if not known[command]:
                raise HostError(f"{self._name}: its guest agent may not run programs: {command} is forbidden", hint=_ALLOW)  # fmt: skip
        self._may = True

    def _start(self, script: Script, run: Run) -> int:
        given = {"input-data": _encoded(run.stdin)} if run.stdin else {}
        words = {"path": run.argv[0], "arg": list(run.argv[1:]), "capture-output": True, **given}
        try:
            said = self._ask("guest-exec", **words)
        except RefusedError as error:
            raise HostError(f"{self._name} does not run {script.name}: {error}") from error
        except DeadlineError as error:
            raise LostError(f"{error}; whether {script.name} runs there nobody knows", whole=False) from error
        pid = said.get("pid") if isinstance(said, dict) else None
        if not isinstance(pid, int) or isinstance(pid, bool):
            raise UnreadableError(f"what its guest agent started in {self._name}", repr(said), hint="")
        return pid

    def _ended(self, script: Script, pid: int, deadline: Deadline) -> Mapping[str, Any]:
        """How it ended.

        :raise WaitedError: when it does not in time.
        :raise HostError: when nobody can tell.
        """
        try:
            return wait_for(lambda: self._status(pid), deadline, "its end", every=_FIRST, slowest=_SLOWEST)
        except RefusedError as error:
            self._ask("guest-info")  # raises where it is the agent, or what leads to it, that fails
            raise HostError(
                f"{self._name} was restarted while {script.name} ran: its agent knows of no process {pid}",
                hint="ask again",
            ) from error
        except (LostError, WaitedError, UnreadableError):
            raise
        except HostError as error:
            raise HostError(
                f"{script.name} was not seen to end in {self._name}: {error}", hint=error.hint
            ) from error

    def _status(self, pid: object) -> Mapping[str, Any] | None:
        """How a process ended, which the agent tells once; None while it runs."""
        said = self._ask("guest-exec-status", pid=pid)
        if not isinstance(said, dict) or not isinstance(said.get("exited"), bool):
            raise UnreadableError(f"what became of a script in {self._name}", repr(said), hint="")
        return said if said["exited"] else None

    def _lost(self, script: Script, deadline: Deadline, error: HostError, *, ended: bool) -> LostError:
        left = "" if ended else ", and may still run there: its agent has not told of its end"
        if deadline.expired:
            late = f"{script.name} did not end within {deadline.seconds:.3g} s in {self._name}{left}"
            return DeadlineError(late, whole=False)
        return LostError(f"{script.name} was not seen to end in {self._name}{left}: {error}", whole=False)

    def _end(self, script: Script, pid: int, whole: Deadline) -> bool:
        """End a process if it runs, with what it has started, and see that it has ended; whether that is certain."""
        enough = Deadline(min(LAST_SECONDS, whole.remaining))
        try:
            with shield(), limited(enough):
                if not self._has_ended(pid):
                    path, *words = _ENDERS[script.shell]
                    said = self._ask("guest-exec", path=path, arg=[*words, str(pid)])
                    ender = said.get("pid") if isinstance(said, dict) else pid
                    for each in (ender, pid):
                        seen = partial(self._has_ended, each)
                        wait_for(seen, enough, "its end", every=_FIRST, slowest=_SLOWEST)
        except HostError:
            return False
        return True

    def _has_ended(self, pid: object) -> bool:
        try:
            return self._status(pid) is not None
        except RefusedError:  # it has, and was told of
            return True


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")


def _system(name: str, said: object) -> System:
    """What guest-get-osinfo tells of: Windows has an id of its own, and a Linux without os-release tells its kernel alone.

    :raise HostError: when it is neither.
    """
    row = said if isinstance(said, dict) else {}
    identity, kernel = row.get("id", ""), row.get("kernel-release", "")
    if identity == "mswindows":
        return "windows"
    if identity in _NEITHER or not (identity or kernel):
        what = short(str(identity), 40) or "it does not say what"
        raise HostError(f"neither Windows nor Linux runs in {name}: {what}")
    return "linux"


def _result(name: str, run: Run, said: Mapping[str, Any]) -> Result:
    """How a script ended, of guest-exec-status; a signal, or Windows' exception, is a negative status.

    :raise UnreadableError: when no agent would say so.
    :raise HostError: when not all of its output is there.
    """
    if said.get("out-truncated"):
        raise HostError(f"{run.argv[0]} in {name} put out more than its guest agent keeps")
    status, fatal = said.get("exitcode"), said.get("signal")
    if not isinstance(status, int):
        if not isinstance(fatal, int):
            raise UnreadableError(f"how {run.argv[0]} ended in {name}", repr(dict(said)), hint="")
        status = -fatal
    try:
        out, err = (_decoded(said.get(key, "")) for key in ("out-data", "err-data"))
    except (ValueError, TypeError, binascii.Error) as error:
        raise UnreadableError(f"what {run.argv[0]} said in {name}", repr(said)[:200], hint="") from error
    cut = "\n(its guest agent kept no more)" if said.get("err-truncated") else ""
    return Result(name, run.argv, status, out, err + cut)


def _decoded(data: str) -> str:
    """What a program put out; where that is no UTF-8, or was cut within a character, with marks in the place of what is lost."""
    return base64.b64decode(data, validate=True).decode("utf-8", "replace")
