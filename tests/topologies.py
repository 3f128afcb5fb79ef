"""Hosts' networks that a test makes up, as they are read: devices by a word each, and all as it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from provision.facts.ethtool_features import Feature, Features, FeaturesRead
from provision.facts.ip import Limits, Link
from provision.facts.processes import Network, Process, Processes
from provision.facts.qdisc import QueueingRead
from provision.verify.collect.host_devices import TapsRead

OWN = "net:[1]"
OTHER = "net:[2]"
ON = Feature(active=True, requested=True, fixed=False)
OFF = Feature(active=False, requested=False, fixed=False)
GRO = "generic-receive-offload"
WHOLE: Features = {
    GRO: ON,
    "rx-gro-list": OFF,
    "rx-gro-hw": OFF,
    "large-receive-offload": OFF,
    "tx-checksum-ip-generic": ON,
    "tx-scatter-gather": ON,
    "tx-tcp-segmentation": ON,
    "tx-tcp6-segmentation": ON,
    "tx-tcp-ecn-segmentation": ON,
    "tx-tcp-mangleid-segmentation": ON,
}
NO_TSO = tuple(name for name in WHOLE if name.startswith("tx-tcp"))


def link(name: str, kind: str = "", **more: Any) -> Link:
    """A device that is up; of a veth `lower` is its peer here, `peer` its peer's index elsewhere."""
    fields: dict[str, Any] = {"alias": "", "up": True, "mtu": 1500, "master": "", "carrier": True}
    return Link(**{"name": name, "kind": kind, **fields, "tap": kind == "tun", **more})


def features(*off: str) -> Features:
    """What ethtool tells of a device that has everything but these."""
    return {name: OFF if name in off else feature for name, feature in WHOLE.items()}


def read(
    links: Sequence[Link],
    *,
    uplinks: tuple[str, ...] = (),
    told: Mapping[str, Features] | None = None,
    limits: Mapping[str, Limits] | None = None,
    queueing: Mapping[str, str] | None = None,
    elsewhere: Sequence[Link] = (),
    release: str = "6.18.0",
) -> TapsRead:
    """A host whose devices these are, and those of another namespace, with everything on but what is told otherwise.

    :param told: features by device, of either namespace.
    """
    told, limits = told or {}, limits or {}
    own = {each.name: replace(each, limits=limits.get(each.name, Limits())) for each in links}
    networks = {OWN: Network(uplinks=uplinks)} | ({OTHER: _network(elsewhere, told)} if elsewhere else {})
    reader = Process(1, namespaces={"net": OWN})
    return TapsRead(
        FeaturesRead({name: told.get(name, WHOLE) for name in own}),
        own,
        qemus=Processes(reader, (), {"/proc/sys/kernel/osrelease": release}, networks),
        queueing=QueueingRead(dict(queueing or {})),
        uplinks=uplinks,
    )


def _network(links: Sequence[Link], told: Mapping[str, Features]) -> Network:
    """Another namespace with these devices, as ip and ethtool tell it."""
    rows = [
        {
            "ifname": each.name,
            "ifindex": each.index,
            **({"link_index": each.peer, "link_netnsid": 0} if each.peer else {}),
            "master": each.master,
            "flags": ["UP", "LOWER_UP"],
            "mtu": each.mtu,
            "linkinfo": {"info_kind": each.kind},
            "addr_info": [
                {"local": address, "prefixlen": int(length)}
                for address, _, length in (row.partition("/") for row in each.addresses)
            ],
        }
        for each in links
    ]
    features = [
        {"ifname": each.name}
        | {name: asdict(feature) for name, feature in told.get(each.name, WHOLE).items()}
        for each in links
    ]
    return Network(links=json.dumps(rows), features=json.dumps(features))


TAP = link("tap0", "tun", master="br0")
BRIDGE = link("br0", "bridge")
ADDRESSED = link("br0", "bridge", addresses=("10.0.0.1/24",))
NIC = link("eno1", master="br0")
LO = link("lo", loopback=True, addresses=("127.0.0.1/8",))
BOND = [
    TAP,
    ADDRESSED,
    link("bond0", "bond", master="br0"),
    link("eno1", master="bond0"),
    link("eno2", master="bond0"),
]
FIREWALL = [
    link("tap0", "tun", master="fwbr0"),
    link("fwbr0", "bridge"),
    link("fwln0", "veth", master="fwbr0", lower="fwpr0"),
    link("fwpr0", "veth", master="br0", lower="fwln0"),
    ADDRESSED,
    NIC,
]

TOPOLOGIES: Mapping[str, tuple[TapsRead, str]] = {
    "plain bridge": (
        read([LO, TAP, ADDRESSED, NIC]),
        "outside: eno1 → br0 → tap0; this host: br0 → tap0",
    ),
    "bridge without an address": (read([TAP, BRIDGE, NIC]), "outside: eno1 → br0 → tap0"),
    "NAT network": (
        read([TAP, ADDRESSED, link("eno1", addresses=("192.0.2.2/24",))], uplinks=("eno1",)),
        "this host: br0 → tap0; outside: eno1 → br0 → tap0",
    ),
    "NAT network behind a bridge": (
        read([TAP, ADDRESSED, link("vmbr0", "bridge"), link("eno1", master="vmbr0")], uplinks=("vmbr0",)),
        "this host: br0 → tap0; outside: eno1 → vmbr0 → br0 → tap0",
    ),
    "bond of two": (
        read(BOND),
        "outside: eno1 → bond0 → br0 → tap0; outside: eno2 → bond0 → br0 → tap0; this host: br0 → tap0",
    ),
    "team": (
        read([TAP, BRIDGE, link("team0", "team", master="br0"), link("eno1", master="team0")]),
        "outside: eno1 → team0 → br0 → tap0",
    ),
    "VLAN below the bridge": (
        read([TAP, BRIDGE, link("eno1.10", "vlan", master="br0", lower="eno1"), link("eno1")]),
        "outside: eno1 → eno1.10 → br0 → tap0",
    ),
    "VLAN on the bridge": (
        read([TAP, BRIDGE, NIC, link("br0.10", "vlan", lower="br0", addresses=("10.0.0.1/24",))]),
        "outside: eno1 → br0 → tap0; this host: br0.10 → br0 → tap0",
    ),
    "Proxmox' firewall": (
        read(FIREWALL),
        "outside: eno1 → br0 → fwpr0 → fwln0 → fwbr0 → tap0; this host: br0 → fwpr0 → fwln0 → fwbr0 → tap0",
    ),
    "Open vSwitch": (
        read(
            [
                link("tap0", "tun", master="ovs-system"),
                link("ovs-system", "openvswitch", up=False, carrier=False),
                link("eno1", master="ovs-system"),
                link("ovsbr0", "openvswitch", addresses=("10.0.0.1/24",)),
            ]
        ),
        "outside: eno1 → tap0; this host: ovsbr0 → tap0",
    ),
    "macvlan below the bridge": (
        read([TAP, BRIDGE, link("mv0", "macvlan", master="br0", lower="eno1"), link("eno1")]),
        "outside: eno1 → mv0 → br0 → tap0",
    ),
    "macvtap": (
        read([link("tap0", "macvtap", lower="eno1"), link("eno1")]),
        "outside: eno1 → tap0",
    ),
    "routed TAP": (
        read([link("tap0", "tun", addresses=("10.0.0.1/32",)), link("eno1")], uplinks=("eno1",)),
        "this host: tap0; outside: eno1 → tap0",
    ),
    "isolated network": (read([TAP, ADDRESSED, link("eno9")]), "this host: br0 → tap0"),
    "other guests alone": (read([TAP, BRIDGE, link("tap1", "tun", master="br0")]), ""),
    "uplink without a carrier": (read([TAP, BRIDGE, link("eno1", master="br0", carrier=False)]), ""),
    "a pod's veth": (
        read(
            [TAP, BRIDGE, NIC, link("veth1", "veth", master="br0", index=7, peer=2)],
            elsewhere=[link("eth0", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
        ),
        "outside: eno1 → br0 → tap0; outside: eth0 → veth1 → br0 → tap0",
    ),
}
"""Ordinary ones, with nothing wrong, and the ways to tap0."""
