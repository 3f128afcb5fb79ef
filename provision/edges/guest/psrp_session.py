"""A PowerShell session in a guest for one script of ours, which leaves nothing there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WinRMTransportError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import SelectorSet, WSMan

from provision.edges.guest.psrp_messages import Messages
from provision.runtime.deadline import Deadline

if TYPE_CHECKING:
    from provision.edges.guest.winrm_line import WinrmLine
    from provision.runtime.guest_channel import GuestWay

_IDLE = 120
"""Seconds after which the guest itself ends a session of which nothing is heard; it allows no less than 60."""
_POLL = 10
"""Seconds after which a guest that has nothing to say says so; one that says nothing at all is asked again."""
_OPENING = 60
"""Seconds that it may take over anything else."""
_STOPPING, _ENDING = 2.0, 5.0
"""Seconds in which a script is stopped, and its session ended, where there are as many."""


class Session:
    """A session that a line leads to."""

    def __init__(self, way: GuestWay, line: WinrmLine) -> None:
        """Nothing is said yet."""
        service = WSMan(way.address, ssl=way.tls, auth="ntlm", operation_timeout=_OPENING)
        service.transport = line  # type: ignore[assignment] # in the place of requests
        self._line = line
        self._pool = RunspacePool(service, idle_timeout=_IDLE)
        # pypsrp has no other way to have them read.
        messages = Messages(service.max_payload_size, self._pool._serializer, line.look)  # noqa: SLF001
        self._pool._fragmenter = messages  # noqa: SLF001
        self._script = PowerShell(self._pool)
        self._wanted = True
        self.begun = False
        """Whether its script may run, or have run."""

    def perform(self, text: str) -> tuple[int, str, str]:
        """Run a script to its end: a status as a program's, what it put out, and what its errors say."""
        try:
            self._pool.open()
        except (WSManFaultError, WinRMTransportError):
            self._wanted = self._pool.shell.opened
            raise
        script = self._script
        script.add_script(text)
        self.begun = True
        script.begin_invoke(remote_stream_options=0)  # what errors say, and not where
        while script.state == PSInvocationState.RUNNING:
            script.poll_invoke(timeout=_POLL)
        good = script.state == PSInvocationState.COMPLETED and not script.had_errors
        out = "".join(f"{each}\n" for each in script.output)
        return int(not good), out, "".join(f"{each}\n" for each in script.streams.error)

    def end(self, whole: Deadline) -> None:
        """Let the guest end it, and a script that may still run in it, as far as it answers by then."""
        if not self._line.handed or not self._wanted:
            return
        if self._script.state == PSInvocationState.RUNNING:
            self._line.begin_anew(Deadline(min(_STOPPING, whole.remaining / 2)))
            with suppress(Exception):  # whatever it says to that, its session is ended next
                self._script.stop()
        self._line.begin_anew(Deadline(min(_ENDING, whole.remaining)))
        which = SelectorSet()
        # By our name for it, where we have not heard the guest's: it may have begun all the same.
        which.add_option("ShellId", self._pool.shell.id or self._pool.id)
        with suppress(Exception):  # else the guest ends it by itself
            self._pool.connection.delete(self._pool.shell.resource_uri, selector_set=which)
