"""What a plan is made of: actions as data, steps that say why, and the few commands that several steps share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.ownership import Thing, written_journal

if TYPE_CHECKING:
    from provision.command import Argv
    from provision.paths import LabPaths


@dataclass(frozen=True, slots=True)
class Run:
    """A command on the host."""

    argv: Argv
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Define:
    """Define a domain."""

    xml: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a defined domain."""

    domain: str


@dataclass(frozen=True, slots=True)
class Destroy:
    """Pull a running domain's plug."""

    domain: str


@dataclass(frozen=True, slots=True)
class Undefine:
    """Remove a domain's definition."""

    domain: str
    keep_state: bool = False


Action = Run | Define | Start | Destroy | Undefine


@dataclass(frozen=True, slots=True)
class Step:
    """One change on one host."""

    host: str
    what: str
    why: str
    do: tuple[Action, ...]
    undo: tuple[Action, ...] = ()
    makes: tuple[Thing, ...] = ()
    exclusive: bool = True
    """Whether its first action fails where somebody else made the same thing, which is not ours to undo then."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, and what is worth saying beside it."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    """What runs and is not as the lab file has it; nothing but a power cycle changes it."""


STOP_QEMU = r"""
p=$(cat "$1" 2>/dev/null) || exit 0
tr '\0' '\n' 2>/dev/null <"/proc/$p/cmdline" | grep -qxF -e "$1" || exit 0
kill "$p" || exit 1
i=0
while [ -d "/proc/$p" ] && ! grep -q '^State:.[ZX]' "/proc/$p/status"; do
    i=$((i + 1))
    [ "$i" = 100 ] && kill -9 "$p"
    [ "$i" -gt 150 ] && { echo "process $p does not end" >&2; exit 1; }
    sleep 0.1
done"""
"""Ends the QEMU of a pidfile, if it is still that QEMU; asks for 10 s, then does not ask."""

_REPLACE = 'mkdir -p -- "${1%/*}" && cat >"$1.new" && mv -f -- "$1.new" "$1"'


def stop_qemu(pidfile: str) -> Run:
    """End the QEMU that wrote this pidfile."""
    return Run(("sh", "-c", STOP_QEMU, "sh", pidfile))


def remove_files(*paths: str) -> Run:
    """Remove files, whether they are there or not."""
    return Run(("rm", "-f", "--", *paths))


def write_journal(paths: LabPaths, things: tuple[Thing, ...]) -> Run:
    """Replace the lab's journal in one move."""
    return Run(("sh", "-c", _REPLACE, "sh", paths.journal), stdin=written_journal(things))


def forget_lab(paths: LabPaths) -> Run:
    """Remove the journal, and the lab's directory unless somebody else keeps files there."""
    script = 'rm -f -- "$1" && rmdir --ignore-fail-on-non-empty -- "${1%/*}"'
    return Run(("sh", "-c", script, "sh", paths.journal))


def machine_files(paths: LabPaths, name: str) -> tuple[str, ...]:
    """What a machine's QEMU leaves besides disks."""
    sockets = (paths.socket(name, what) for what in ("qmp", "agent", "vnc"))
    return (paths.pidfile(name), paths.console(name), *sockets)
