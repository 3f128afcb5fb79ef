"""TABLE: one row per way of doing RSC (`rsc: true | false | hck`), and its offloads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.tables.offloads import BY_NAME, HCK, OFFLOADS, unmet

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Profile:
    """What `rsc:` chooses for a NIC."""

    name: str
    offloads: Mapping[str, bool]
    vhost: bool = True
    """Whether vhost may carry the packets."""
    hck_only: bool = False
    backends: frozenset[str] = field(default_factory=frozenset)
    """The NIC backends it works on."""
    warning: str = ""
    """What nothing can forbid, and must not be done to a machine that has it."""


_TAPS = frozenset({"bridge", "tap"})
_ON = {"guest_csum": True, "guest_tso4": True, "guest_tso6": True}

PROFILES = {
    profile.name: profile
    for profile in (
        # The guest is offered checksum and TSO, so the TAP hands it large frames.
        Profile(
            "true",
            _ON,
            backends=_TAPS | {"network", "macvtap"},
        ),
        # Off at the device, which lasts, unlike ethtool on the TAP.
        Profile(
            "false",
            dict.fromkeys(_ON, False),
            backends=_TAPS | {"network", "macvtap", "user"},
        ),
        # QEMU's userspace engine for one HLK test; unfit for any other traffic.
        Profile(
            "hck",
            {**_ON, "ctrl_vq": True, "ctrl_guest_offloads": True, HCK: True},
            vhost=False,
            hck_only=True,
            backends=_TAPS,
            warning="never migrate, save or snapshot this machine while it runs: what QEMU's engine holds back is lost, "
            "and libvirt has no switch that forbids it (`rscvm explain hck`)",
        ),
    )
}

RSC_INTERVAL = 1_000_000
"""Nanoseconds that QEMU's engine holds a segment, as the wiki's HCK page sets them; QEMU's own is 300000."""


def wanted_offloads(rsc: str, said: Mapping[str, bool]) -> dict[str, bool]:
    """Every offload of a NIC, in the table's order: what the lab file said, else the profile, else QEMU's default.

    An offload that nobody asked for falls with what it needs, so `rsc: false` leaves no ECN, UFO or USO behind.
    guest_rsc_ext stands in the answer only where the profile is `hck`.
    """
    chosen = {**PROFILES[rsc].offloads, **said}
    wanted = {
        row.name: chosen.get(row.name, row.default) for row in OFFLOADS if row.name != HCK or HCK in chosen
    }
    for _ in OFFLOADS:  # a chain of needs is never longer than the table
        on = frozenset(name for name, is_on in wanted.items() if is_on)
        fallen = [name for name in on if name not in chosen and unmet(BY_NAME[name], on)]
        if not fallen:
            break
        wanted.update(dict.fromkeys(fallen, False))
    return wanted
