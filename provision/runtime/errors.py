"""What can go wrong, sorted by who has to act.

    RscvmError              base: what happened, and a hint at what to do
    ├── RequestError        the user amends the request        (exit 2)
    │   └── LabFileError    every fault of a lab file, each with its place
    └── HostError           somebody mends a host              (exit 3)
        ├── CommandError    a command ended badly; its own words are kept
        │   └── RefusedError    QEMU understood and said no
        ├── LostError       the host was lost at work: nobody knows how that ended
        │   └── DeadlineError   something did not end in time
        │       └── SilentError     and nobody has said a word
        ├── WaitedError     what was waited for did not happen
        ├── UnforeseenError what was said led our own code astray
        └── UnreadableError a tool said what we cannot read; its text is kept

A machine that fails verification is a verdict, not an exception.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.runtime.masked import masked_text
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterator


_LONGEST = 32_000
"""Characters of a message, whoever's words are in it."""


_LONGEST_FAULT = 1000


class RscvmError(Exception):
    """Anything that ends a command with a message instead of a traceback.

    Secrets in its words are masked: it often has others' words in it, and goes into logs and reports.
    """

    status = 3
    verbatim = False
    """Whether its message stands without our name before it, as compilers' do."""

    names_host = False
    """Whether the message begins with the host that it is about."""

    def __init__(self, message: str, *, hint: str = "", names_host: bool = False) -> None:
        said = masked_text(message[: 2 * _LONGEST])
        super().__init__(said if len(said) <= _LONGEST else f"{said[:_LONGEST]} …")
        self.hint = masked_text(hint)
        self.names_host |= names_host


class RequestError(RscvmError):
    """What was asked for cannot be meant: usage, lab file, or a name that does not exist."""

    status = 2


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a lab file; line and column count from 1."""

    line: int
    column: int
    path: str
    message: str

    def at(self, file: str) -> str:
        """The fault as compilers print them, so that editors can jump to it."""
        where = f"{self.path}: " if self.path else ""
        return short(f"{file}:{self.line}:{self.column}: {where}{self.message}", _LONGEST_FAULT)


class LabFileError(RequestError):
    """All faults of one lab file."""

    verbatim = True

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(fault.at(file) for fault in faults))
        self.file = file
        self.faults = faults


class HostError(RscvmError):
    """A host, or something on it, is not as it must be."""


class CommandError(HostError):
    """A command that had to succeed did not."""


class RefusedError(CommandError):
    """QEMU understood and said no, or does not know the command; `kind` is QMP's error class."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class LostError(HostError):
    """A host was lost while it was at work: nobody knows how that ended; `known` is how what came before it did.

    Where it was its libvirt alone, `whole` is false: our shell there is well, and holds what it held.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        known: tuple[object, ...] = (),
        whole: bool = True,
        names_host: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, names_host=names_host)
        self.known = known
        self.whole = whole


class DeadlineError(LostError):
    """Something did not end in time; it has been ended."""


class SilentError(DeadlineError):
    """Nothing was heard at all until then."""


class WaitedError(HostError):
    """What was waited for did not happen; the message tells the last thing seen."""


class UnforeseenError(HostError):
    """What was said, or what we made of it, led our own code astray: an error of ours that nobody foresaw."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"internal error: {type(error).__name__}: {short(str(error), 300)}",
            hint="RSCVM_DEBUG=1 shows where; please report it",
        )
        self.__cause__ = error


class UnreadableError(HostError):
    """A tool answered in words that its parser does not know."""

    def __init__(
        self,
        what: str,
        text: str,
        *,
        hint: str = "please report this with the tool's version",
        encoded: bool = False,
    ) -> None:
        """Take the tool's words; none of those that are `encoded` are told: secrets in them cannot be seen."""
        told = f"{len(text)} characters" if encoded else repr(text[:200])
        super().__init__(f"cannot read {what}: {told}", hint=hint)
        self.text = text


_STUMBLED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What Python raises where words are others than were expected."""


@contextmanager
def reading(what: str, text: object, *, encoded: bool = False) -> Iterator[None]:
    """Let what a parser stumbles over be told as what it could not read, whatever that is; not in words that are `encoded`.

    :raise UnreadableError: then.
    """
    try:
        yield
    except _STUMBLED as error:
        raise UnreadableError(what, text if isinstance(text, str) else repr(text), encoded=encoded) from error
