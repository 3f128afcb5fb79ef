"""Parses what the probe of KVM and TCG prints: which accelerator works, and which is faster."""

from __future__ import annotations

import json
from dataclasses import dataclass

from provision.runtime.errors import UnreadableError, reading
from provision.runtime.untrusted import read_json


@dataclass(frozen=True, slots=True)
class Failed:
    """Why the probe's boot sector did not run."""

    words: str
    late: bool = False
    """Whether it was still running when its time was up, as under a KVM without hardware help."""
    denied: bool = False
    """Whether /dev/kvm is there and may not be read and written by whoever asked."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Milliseconds that the probe's boot sector took, or why it did not run."""

    tcg: int | Failed
    kvm: int | Failed

    @property
    def denied(self) -> bool:
        """Whether KVM may be of use to others than who asked."""
        return isinstance(self.kvm, Failed) and self.kvm.denied

    @property
    def kvm_is_of_use(self) -> bool:
        """Whether KVM works and is not slower than TCG."""
        if not isinstance(self.kvm, int):
            return False
        return not isinstance(self.tcg, int) or self.kvm <= self.tcg


_KINDS: dict[str, dict[str, bool]] = {"failed": {}, "late": {"late": True}, "denied": {"denied": True}}
"""The words of the probe for what did not run, and what they mean."""


def parse_accelerators(text: str) -> Accelerators:
    """What the probe of accelerators printed: `NAME MILLISECONDS`, `NAME` and `late`, `denied` or `failed` and WORDS.

    :raise UnreadableError: when a line is missing.
    """
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if set(rows) != {"tcg", "kvm"}:
        raise UnreadableError("the probe of accelerators", text)
    with reading("the probe of accelerators", text):
        return Accelerators(tcg=_took(rows["tcg"]), kvm=_took(rows["kvm"]))


def _took(said: str) -> int | Failed:
    if said.isdecimal():
        return int(said)
    kind, _, words = said.partition(" ")
    return Failed(words, **_KINDS[kind]) if kind in _KINDS else Failed(said)


def _said(took: int | Failed) -> str:
    return str(took) if isinstance(took, int) else f"{'late' if took.late else 'failed'} {took.words}"


def written_accelerators(key: str, found: Accelerators) -> str:
    """The probe's answer as it is kept; `key` says for which QEMU and since which boot it holds."""
    return json.dumps({"key": key, "tcg": _said(found.tcg), "kvm": _said(found.kvm)}) + "\n"


def kept_accelerators(key: str, text: str) -> Accelerators | None:
    """The probe's answer as it was kept, or None where it is for another QEMU or boot, or unreadable.

    0.1.0 kept numbers as such, and mere words of what failed.
    """
    try:
        data = read_json(text)
        return (
            Accelerators(*(_took(str(data[name])) for name in ("tcg", "kvm"))) if data["key"] == key else None
        )
    except (ValueError, KeyError, TypeError):
        return None
