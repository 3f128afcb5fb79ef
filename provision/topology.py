"""TABLE: one row per topology of a test lab: which machines it has; each is called LAB-ROLE."""

from __future__ import annotations

TOPOLOGIES: dict[str, tuple[str, ...]] = {
    "hlk-two-machine": ("controller", "dut", "support"),
    "dut-only": ("dut",),
}
ROLES = TOPOLOGIES["hlk-two-machine"]


def machine_names(lab: str, topology: str) -> tuple[str, ...]:
    """The machines that a lab of this name and topology expands to."""
    return tuple(f"{lab}-{role}" for role in TOPOLOGIES[topology])
