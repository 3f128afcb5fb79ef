"""How verdicts look wherever they are shown: colours, signs, order, and outside text made to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.positions import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.verify.cause import Verdict
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge import NicVerdict
    from provision.verify.ladder import State

VERDICTS: tuple[Verdict, ...] = ("not-ready", "unknown", "ready")
"""Worst first."""
WORDS: dict[Verdict, str] = {"not-ready": "not ready", "unknown": "unknown", "ready": "ready"}
COLOURS: dict[str, str] = {
    "ready": "green",
    "pass": "green",
    "not-ready": "red",
    "fail": "red",
    "unknown": "yellow",
    "skipped": "dim",
}
SIGNS: dict[State, str] = {"pass": "✓", "fail": "✗", "unknown": "?", "skipped": "·"}
NO_CAUSE = "no cause known"

NAME_CELLS = 40
TAP_CELLS = 15  # the kernel's IFNAMSIZ


def off_as_meant(verdict: NicVerdict) -> bool:
    """Whether it is ready in that its RSC is off, as its `rsc: false` has it."""
    return verdict.evidence.rsc == "false" and verdict.verdict == "ready"


def nic_name(nic: NicEvidence) -> str:
    """MACHINE.NIC."""
    return f"{nic.machine}.{nic.nic}"


def several(hosts: Iterable[str]) -> bool:
    """Whether a NIC must be told by its host, too."""
    return len(set(hosts)) > 1


def short(text: str, most: int = 2000) -> str:
    """The text on one line without control characters, and without its end where that is far off."""
    return escaped(text) if len(text) <= most else f"{escaped(text[:most])}…"


def cell(text: str, most: int) -> str:
    """The text on one line without control characters, cut to so many columns of a terminal.

    No more characters than columns stay: what piles up on one column (combining marks) is cut, too.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only where a person reads

    plain = escaped(text[: most + 1])
    if len(plain) <= most and cell_len(plain) <= most:
        return plain
    if most < 1:
        return ""
    kept = plain[: most - 1]
    return f"{set_cell_size(kept, most - 1).rstrip() if cell_len(kept) > most - 1 else kept}…"
