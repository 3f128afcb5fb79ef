"""TABLE: one row per topology of an HLK lab: its machines, their NICs, and its networks.

HLK wants a controller that reaches its clients by a network of its own (MessageDevice), and the device under test
back to back with a support device, where nobody serves DHCP. The driver under test carries no control traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge that a lab makes."""

    name: str
    wire: bool = False
    """Whether it stands for a cable: nothing but the lab's machines may be on it."""


@dataclass(frozen=True, slots=True)
class Port:
    """One NIC of a role; it bears its network's name."""

    network: str
    keys: Mapping[str, object] = field(default_factory=dict)
    """As a lab file would say them."""
    armed: Mapping[str, object] = field(default_factory=dict)
    """What the lab's test adds to them."""


@dataclass(frozen=True, slots=True)
class Topology:
    """What a lab expands to; each machine is called LAB-ROLE."""

    name: str
    roles: Mapping[str, tuple[Port, ...]]

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those that any of its machines is on."""
        used = {port.network for ports in self.roles.values() for port in ports}
        return tuple(network for network in NETWORKS if network.name in used)


NETWORKS = (Network("control"), Network("test", wire=True))

_CONTROL = Port("control", {"model": "e1000e", "rsc": "false"})
_UNDER_TEST = Port("test", armed={"rsc": "hck"})
# The engine corrupts what a sender left to offloads. `ethtool -K TAP tx off` on the DUT's TAP prevents that and is lost
# whenever its driver starts; so the peer has nothing to offload to, which lasts, and its own TAP has nothing to hand on.
_PEER = Port("test", armed={"rsc": "false", "offloads": {"csum": False, "gso": False}})

TOPOLOGIES = {
    row.name: row
    for row in (
        Topology(
            "hlk-two-machine",
            {
                "controller": (_CONTROL,),
                "dut": (_CONTROL, _UNDER_TEST),
                "support": (_CONTROL, _PEER),
            },
        ),
        Topology("dut-only", {"dut": (_CONTROL, _UNDER_TEST)}),
    )
}
ROLES = tuple(TOPOLOGIES["hlk-two-machine"].roles)
