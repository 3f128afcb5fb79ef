"""TABLE: one row for each way in which rscvm has laid out what a lab file says nothing of.

A machine that is there keeps the row that it was made by, until `up --redefine`: a device more or less is a change that
its guest sees.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.tables.enlightenments import ASSUMED_BY_0_1


@dataclass(frozen=True, slots=True)
class Layout:
    """What a machine has around it."""

    number: int
    spare_ports: int = 0
    """PCIe root ports that nothing is in yet; a running machine takes no new ones, and a NIC is plugged into one."""
    rng: bool = False
    """Whether it has a virtio-rng, fed by /dev/urandom."""
    discard: bool = False
    """Whether overlays, qcow2 images and block devices hand back what the guest trims."""
    topology: bool = True
    """Whether its definition says how its processors are laid out."""
    enlightenments: frozenset[str] | None = None
    """What every Windows had of Hyper-V, whatever its host; None: what the journal notes of it."""


LAYOUTS = {
    row.number: row
    for row in (
        Layout(1, topology=False, enlightenments=ASSUMED_BY_0_1),  # 0.1.0
        Layout(2, spare_ports=8, rng=True, discard=True),
    )
}

LATEST = LAYOUTS[max(LAYOUTS)]
FIRST = LAYOUTS[1]
