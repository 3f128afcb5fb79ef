"""Parses what the probe of KVM and TCG prints: which accelerator works, and which is faster."""

from __future__ import annotations

import json
from dataclasses import dataclass

from provision.runtime.errors import UnreadableError


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Milliseconds that the probe's boot sector took, or the words why it did not run."""

    tcg: int | str
    kvm: int | str

    @property
    def kvm_is_of_use(self) -> bool:
        """Whether KVM works and is not slower than TCG."""
        if not isinstance(self.kvm, int):
            return False
        return not isinstance(self.tcg, int) or self.kvm <= self.tcg


def parse_accelerators(text: str) -> Accelerators:
    """What the probe of accelerators printed.

    :raise UnreadableError: when a line is missing.
    """
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if set(rows) != {"tcg", "kvm"}:
        raise UnreadableError("the probe of accelerators", text)
    try:
        took = {
            name: int(said) if said.isdecimal() else said.removeprefix("failed ")
            for name, said in rows.items()
        }
    except ValueError as error:  # more digits than Python reads
        raise UnreadableError("the probe of accelerators", text) from error
    return Accelerators(tcg=took["tcg"], kvm=took["kvm"])


def written_accelerators(key: str, found: Accelerators) -> str:
    """The probe's answer as it is kept; `key` says for which QEMU and since which boot it holds."""
    return json.dumps({"key": key, "tcg": found.tcg, "kvm": found.kvm}) + "\n"


def kept_accelerators(key: str, text: str) -> Accelerators | None:
    """The probe's answer as it was kept, or None where it is for another QEMU or boot, or unreadable."""
    try:
        data = json.loads(text)
        good = data["key"] == key and all(isinstance(data[name], int | str) for name in ("tcg", "kvm"))
        return Accelerators(tcg=data["tcg"], kvm=data["kvm"]) if good else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
