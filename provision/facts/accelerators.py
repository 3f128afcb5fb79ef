"""Parses what the probe of KVM and TCG prints: which accelerator works, and which is faster."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from provision.runtime.errors import UnreadableError


@dataclass(frozen=True, slots=True)
class Failed:
    """Why the probe's boot sector did not run."""

    words: str
    late: bool = False
    """Whether it was still running when its time was up, as under a KVM without hardware help."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Milliseconds that the probe's boot sector took, or why it did not run."""

    tcg: int | Failed
    kvm: int | Failed

    @property
    def kvm_is_of_use(self) -> bool:
        """Whether KVM works and is not slower than TCG."""
        if not isinstance(self.kvm, int):
            return False
        return not isinstance(self.tcg, int) or self.kvm <= self.tcg


_KINDS = {"failed": False, "late": True}
"""The words of the probe for what did not run, and whether that was late."""


def parse_accelerators(text: str) -> Accelerators:
    """What the probe of accelerators printed: `NAME MILLISECONDS`, `NAME late WORDS` or `NAME failed WORDS`.

    :raise UnreadableError: when a line is missing.
    """
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if set(rows) != {"tcg", "kvm"}:
        raise UnreadableError("the probe of accelerators", text)
    try:
        return Accelerators(tcg=_took(rows["tcg"]), kvm=_took(rows["kvm"]))
    except ValueError as error:  # more digits than Python reads
        raise UnreadableError("the probe of accelerators", text) from error


def _took(said: str) -> int | Failed:
    if said.isdecimal():
        return int(said)
    kind, _, words = said.partition(" ")
    return Failed(words, _KINDS[kind]) if kind in _KINDS else Failed(said)


def written_accelerators(key: str, found: Accelerators) -> str:
    """The probe's answer as it is kept; `key` says for which QEMU and since which boot it holds."""
    kept = {
        name: took if isinstance(took, int) else asdict(took)
        for name, took in (("tcg", found.tcg), ("kvm", found.kvm))
    }
    return json.dumps({"key": key, **kept}) + "\n"


def kept_accelerators(key: str, text: str) -> Accelerators | None:
    """The probe's answer as it was kept, or None where it is for another QEMU or boot, or unreadable."""
    try:
        data = json.loads(text)
        return Accelerators(_kept(data["tcg"]), _kept(data["kvm"])) if data["key"] == key else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _kept(took: object) -> int | Failed:
    """One answer; 0.1.0 kept mere words of what failed."""
    match took:
        case int():
            return took
        case str():
            return Failed(took)
        case {"words": str(words), "late": bool(late)}:
            return Failed(words, late)
    raise TypeError(took)
