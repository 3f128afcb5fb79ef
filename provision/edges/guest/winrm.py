"""A Windows guest that runs scripts by WinRM and PowerShell's remoting (pypsrp)."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from provision.edges.guest.unspoken import cause, unspoken, without
from provision.edges.guest.winrm_stream import NotHeardError
from provision.runtime.command import Result
from provision.runtime.deadline import with_its_end, within_limit
from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.interrupt import shield

with warnings.catch_warnings():  # of versions, by what pypsrp loads
    warnings.simplefilter("ignore")
    from pypsrp.exceptions import WinRMTransportError, WSManFaultError

    from provision.edges.guest.psrp_messages import TooMuchError
    from provision.edges.guest.psrp_session import Session
    from provision.edges.guest.winrm_line import WinrmLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from provision.runtime.deadline import Deadline
    from provision.runtime.guest_channel import GuestWay, Script, System

for _library in ("pypsrp", "spnego"):  # they log what they send and receive
    logging.getLogger(_library).addHandler(logging.NullHandler())
    logging.getLogger(_library).propagate = False

# wsmerror.h and winerror.h: a fault's number says what it is, whatever the guest's language.
_ALLOW = "in the guest, make it a member of Administrators; in a workgroup UAC holds all but the built-in Administrator back"
_NO_POWERSHELL = ("has no PowerShell for us", "in the guest, as Administrator: Enable-PSRemoting -Force")
_FAULTS: dict[int | None, tuple[str, str]] = {
    5: ("does not allow that", _ALLOW),  # ERROR_ACCESS_DENIED
    0x8033803B: _NO_POWERSHELL,  # ERROR_WSMAN_INVALID_RESOURCE_URI
    0x80338002: _NO_POWERSHELL,  # the same, as some of Windows' code says it
}


class WinrmGuest:
    """A guest that is asked by WinRM; each script has a session of its own, which is gone from the guest at its end."""

    def __init__(self, way: GuestWay) -> None:
        """`way`: of kind `winrm`."""
        self._way = way
        self._password = ""

    def __enter__(self) -> Self:
        """Have the password; the guest is not asked yet.

        :raise HostError: when it is not there.
        """
        name = self._way.password_env
        self._password = os.environ.get(name, "")
        if not self._password:
            raise HostError(
                f"{self._way}: no password: {name} is not set in the environment, or is empty",
                hint=f"put it there without writing it down: read -rs {name}; export {name}",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget the password."""
        self._password = ""

    def system(self) -> System:
        """What runs there: nothing else has WinRM."""
        return "windows"

    def run(self, script: Script, *, timeout: float) -> Result:
        """Run a script of PowerShell's and return how it ended; all that it says is 4 MiB at most.

        Its status is 0, or 1 where an error ended it; its output is what it put out, each object a line.

        :raise DeadlineError: when it does not end in time; it has been ended then, if the guest still answers, for which
            the last seconds are kept.
        :raise HostError: when the guest does not answer, does not let us in, or does not run it.
        """
        if script.shell != "powershell":
            raise HostError(f"{self._way} runs PowerShell alone, and {script.name} is for {script.shell}")
        deadline, whole = with_its_end(within_limit(timeout))
        line = WinrmLine(self._way, self._password, deadline)
        session = Session(self._way, line)
        try:
            with self._told(script, session, deadline):
                status, out, err = session.perform(script.text)
        finally:
            with shield():
                session.end(whole)
                line.close()
        return Result(str(self._way), ("powershell", script.name), status, out, without(err, self._password))

    @contextmanager
    def _told(self, script: Script, session: Session, deadline: Deadline) -> Iterator[None]:
        """Let what goes wrong be told as what it is.

        :raise HostError: then.
        """
        try:
            yield
        except DeadlineError as error:
            if not session.begun:
                raise
            late = f"{script.name} did not end within {deadline.seconds:.3g} s in {self._way}"
            raise DeadlineError(late, whole=False) from error
        except HostError as error:
            if not (session.begun and isinstance(error, NotHeardError)):
                raise
            lost = f"{script.name} was not seen to end in {self._way}: {error}"
            raise LostError(lost, hint=error.hint, whole=False) from error
        except Exception as error:  # noqa: BLE001 - a fault, or whatever pypsrp stumbles over in what the guest says
            raise self._fault(error) from cause(error, self._password)

    def _fault(self, error: Exception) -> HostError:
        """Why a guest does not do what it was asked, by a fault's number."""
        if isinstance(error, WSManFaultError):
            code = error.code if isinstance(error.code, int) and 0 <= error.code < 1 << 32 else None
            what, hint = _FAULTS.get(code, ("says no", ""))
            number = "" if code is None else f" (0x{code:08X})"
            words = unspoken(str(error.reason or "it does not say why"), self._password)
            return HostError(f"{self._way} {what}{number}: {words}", hint=hint)
        if isinstance(error, WinRMTransportError):
            return HostError(f"{self._way} says no: HTTP {error.code}, without words that can be read")
        if isinstance(error, TooMuchError):
            return HostError(f"{self._way}: {error}, and no more is taken")
        words = unspoken(f"{type(error).__name__}: {error}", self._password)
        return HostError(f"{self._way} does not answer as PowerShell does: {words}")
