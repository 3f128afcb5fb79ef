"""A command as an argv tuple, and how it ended on one host.

Commands are argv tuples and never strings: quoting is the edge's job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.runtime.errors import CommandError
from provision.runtime.masked import masked_arguments
from provision.runtime.safe_text import quoted, short

HELD = "held"
"""The line that a program says when it holds what it was started for; it then reads commands as `sh` does."""

UNRECORDED = 86
"""The status of an answer that evidence does not have."""

NOT_FOUND = 127
"""Exit status of a program that is not there, as shells give it."""

_SHORT = 100

Argv = tuple[str, ...]

Say = Callable[[str], None]
"""Where progress is told."""

QEMU = "qemu-system-x86_64"
SWTPM = "swtpm"
SWTPM_SETUP = "swtpm_setup"

PACKAGES = {
    "ip": "iproute2",
    "ethtool": "ethtool",
    "qemu-img": "qemu-utils",
    "flock": "util-linux",
    QEMU: "qemu-system-x86",
    SWTPM: "swtpm",
    SWTPM_SETUP: "swtpm-tools",
}
"""Where Debian keeps the programs that we call."""

RELAYS = ("python3", "perl", "socat")
"""Programs of which a host needs one, so that QEMU's monitor there can be reached from here."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command to run, and what it reads."""

    argv: Argv
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How one command ended on one host."""

    host: str
    argv: Argv
    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0

    def check(self) -> Result:
        """Return itself.

        :raise CommandError: when the command failed; the program's own words are in it.
        """
        if self.ok:
            return self
        program = self.argv[0]
        if self.status == NOT_FOUND and program != "sh":  # of a script it may be any program's status
            package = PACKAGES.get(program, program)
            raise CommandError(f"{program} not found on {self.host}", hint=f"install it (Debian: {package})")
        said = quoted(self.err or self.out) or "it said nothing"
        what = self.words() if program != "sh" else "its script"
        raise CommandError(f"{what} failed on {self.host} ({self.status}): {said}")

    def words(self) -> str:
        """The command in short: a script by its first words, a long line by its beginning."""
        return short(" ".join(word for part in masked_arguments(self.argv) for word in part.split()), _SHORT)


def shell(script: str, *arguments: str) -> Run:
    """A constant script; what varies is an argument and never text of the script."""
    return Run(("sh", "-c", script, "sh", *arguments))
