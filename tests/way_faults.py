"""Faults on the way to a TAP, each with its cause and what has to be said of every source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.facts.ip import Limits
from provision.verify.collect.host_devices import TapsRead
from tests.topologies import (
    ADDRESSED,
    BOND,
    BRIDGE,
    FIREWALL,
    GRO,
    NIC,
    NO_TSO,
    ON,
    TAP,
    WHOLE,
    features,
    link,
    read,
)

FAULTS: Mapping[str, tuple[TapsRead, str, str]] = {
    "GRO off at the NIC": (
        read([TAP, ADDRESSED, NIC], told={"eno1": features(GRO)}),
        "gro-off",
        "from outside (eno1: generic-receive-offload off); from this host ready",
    ),
    "GRO off at one slave": (
        read(BOND, told={"eno2": features(GRO)}),
        "gro-off",
        "from outside (eno2: generic-receive-offload off); from this host ready",
    ),
    "lists": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**WHOLE, "rx-gro-list": ON}}),
        "gro-off",
        "from outside (eno1: rx-gro-list on)",
    ),
    "lists of an old kernel, which are UDP's alone": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**WHOLE, "rx-gro-list": ON}}, release="6.8.0-45-generic"),
        "ready",
        "from outside ready",
    ),
    "a small gro_max_size": (
        read([TAP, BRIDGE, NIC], limits={"eno1": Limits(gro=3000, gro_ipv4=3000)}),
        "gro-off",
        "from outside (eno1: gro_max_size 3000)",
    ),
    "GRO off, and hardware gathers": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**features(GRO), "rx-gro-hw": ON}}),
        "ready",
        "from outside ready",
    ),
    "GRO off, and a veth that gathers nothing of a peer with TSO": (
        read(FIREWALL, told={"eno1": features(GRO)}),
        "gro-off",
        "from outside (eno1: generic-receive-offload off); from this host ready",
    ),
    "GRO off, and a veth that gathers what its peer has no TSO for": (
        read(FIREWALL, told={"eno1": features(GRO), "fwpr0": features(*NO_TSO)}),
        "ready",
        "from outside ready; from this host ready",
    ),
    "checksum off at the firewall's veth": (
        read(FIREWALL, told={"fwpr0": features("tx-checksum-ip-generic", *NO_TSO), "fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: tx-checksumming off); from this host (fwpr0: tx-checksumming off)",
    ),
    "the same, and gathered again behind it": (
        read(FIREWALL, told={"fwpr0": features(*NO_TSO)}),
        "ready",
        "from outside ready; from this host ready",
    ),
    "checksum off at the bridge, which concerns its host alone": (
        read([TAP, ADDRESSED, NIC], told={"br0": features("tx-checksum-ip-generic", *NO_TSO)}),
        "path-segments",
        "from outside ready; from this host (br0: tx-checksumming off)",
    ),
    "the same without an address": (
        read([TAP, BRIDGE, NIC], told={"br0": features(*NO_TSO)}),
        "ready",
        "from outside ready",
    ),
    "NAT by a bridge without TSO": (
        read([TAP, ADDRESSED, link("eno1")], uplinks=("eno1",), told={"br0": features("tx-scatter-gather", *NO_TSO)}),
        "path-segments",
        "from this host (br0: tx-scatter-gather off); from outside (br0: tx-scatter-gather off)",
    ),
    "a limit on the way": (
        read(FIREWALL, limits={"fwpr0": Limits(segments=1)}, told={"fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: gso_max_segs 1); from this host (fwpr0: gso_max_segs 1)",
    ),
    "queueing on the way": (
        read(FIREWALL, queueing={"fwpr0": "cake with split-gso"}, told={"fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: cake with split-gso); from this host (fwpr0: cake with split-gso)",
    ),
    "a sender in another namespace that cuts, as on a wire": (
        read(
            [TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)],
            elsewhere=[link("sw", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
            told={"sw": features(*NO_TSO), "eno2": features(GRO)},
        ),
        "gro-off",
        "from outside (eno2: generic-receive-offload off)",
    ),
    "a sender in another namespace that does not": (
        read(
            [TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)],
            elsewhere=[link("sw", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
            told={"eno2": features(GRO)},
        ),
        "ready",
        "from outside ready",
    ),
    "a namespace that nobody read, alone": (
        read([TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)]),
        "ready",
        "from outside (not known, eno2 leads into a network namespace that was not read)",
    ),
    "a namespace that nobody read, beside a NIC": (
        read([TAP, BRIDGE, NIC, link("veth9", "veth", master="br0", index=7, peer=2)]),
        "ready",
        "from outside ready",
    ),
    "generic XDP at the NIC": (
        read([TAP, BRIDGE, link("eno1", master="br0", generic_xdp=True)]),
        "gro-off",
        "from outside (eno1: generic XDP, which goes without GRO)",
    ),
    "a container beside a host that routes, whose uplink gathers nothing": (
        read(
            [TAP, ADDRESSED, link("eno1"), link("vc1", "veth", master="br0", index=7, peer=2)],
            uplinks=("eno1",),
            elsewhere=[link("eth0", "veth", index=2, peer=7)],
            told={"eno1": features(GRO)},
        ),
        "gro-off",
        "from outside (eno1: generic-receive-offload off); from this host ready",
    ),
    "a host that forwards nothing": (
        replace(read([TAP, ADDRESSED, link("eno1")], uplinks=("eno1",), told={"eno1": features(GRO)}), forwards=False),
        "ready",
        "from this host ready",
    ),
    "a route to the bridge, which has no address": (
        replace(read([TAP, BRIDGE, link("eno1")], uplinks=("eno1",), told={"eno1": features(GRO)}), routed=frozenset({"br0"})),
        "gro-off",
        "from this host ready; from outside (eno1: generic-receive-offload off)",
    ),
    "small limits of who sends first, which it obeys": (
        read([TAP, ADDRESSED, NIC], limits={"br0": Limits(gso=16000, gso_ipv4=16000, segments=20)}),
        "ready",
        "from outside ready; from this host ready",
    ),
    "limits that leave but one segment": (
        read([TAP, ADDRESSED, NIC], limits={"br0": Limits(segments=1)}),
        "path-segments",
        "from outside ready; from this host (br0: gso_max_segs 1)",
    ),
    "a container's own bridge": (
        read(
            [TAP, BRIDGE, link("vc1", "veth", master="br0", index=7, peer=2)],
            elsewhere=[
                link("bi", "bridge", addresses=("10.0.0.9/24",)),
                link("eth0", "veth", index=2, peer=7, master="bi"),
            ],
            told={"bi": features(*NO_TSO), "vc1": features(GRO)},
        ),
        "path-segments",
        "from outside (bi in net:[2]: tx-tcp-segmentation off, bi in net:[2]: tx-tcp6-segmentation off)",
    ),
    "a tunnel": (
        read([TAP, BRIDGE, link("vx42", "vxlan", master="br0")]),
        "ready",
        "from outside (not known, vx42 is a vxlan, and nobody sees from here what comes in by it)",
    ),
}  # fmt: skip
