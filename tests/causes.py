"""Evidence that each cause is found in, captured where it could be, and what is then said of both families."""

from __future__ import annotations

from dataclasses import replace

from provision.facts.ethtool_features import Feature
from provision.facts.ip import Limits
from provision.facts.virtio import VirtioFacts
from provision.tables.offloads import STANDBY
from provision.verify.evidence import Cut, Hop, NicEvidence, Unasked, Way
from tests.builders import ON, features, nic, virtio
from tests.frames import WHOLE_WAY, mangling, recorded, traffic
from tests.guests import linux, windows

STANDBY_TAKEN = replace(
    virtio("linux"),
    offered=virtio("linux").offered | {STANDBY},
    negotiated=virtio("linux").negotiated | {STANDBY},
)
HCK = {"rsc": "hck", "purpose": "hck", "rsc_asked": True, "properties": {**ON, "guest_rsc_ext": True}}

UNGATHERED = {"generic-receive-offload": Feature(active=False, requested=False, fixed=False)}
UNCHECKED = {**UNGATHERED, **features("host-tx-off")}


def without(facts: VirtioFacts, *names: str) -> VirtioFacts:
    return replace(facts, offered=facts.offered - {f"VIRTIO_NET_F_{name}" for name in names})


CASES: dict[str, tuple[NicEvidence, str, str]] = {
    "machine-off": (nic(state="off", virtio=Unasked("off"), features=Unasked("off")), "unknown", "unknown"),
    "machine-paused": (nic(state="paused", virtio=virtio("no-driver")), "unknown", "unknown"),
    "link-down": (nic(cuts=(Cut("tap", "tap0 is down"),)), "not-ready", "not-ready"),
    "not-virtio": (nic(model="e1000e", virtio=Unasked("-")), "not-ready", "not-ready"),
    "no-vnet-header": (nic(virtio=without(virtio("linux"), "GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6")), "not-ready", "not-ready"),
    "guest-offloads-off": (nic(properties={**ON, "guest_tso6": False}), "ready", "not-ready"),
    "hck-flags-ineffective": (nic(**{**HCK, "properties": ON}), "not-ready", "not-ready"),
    "hck-flags-in-production": (nic(virtio=virtio("hck-driver")), "ready", "ready"),
    "not-offered": (nic(virtio=without(virtio("linux"), "GUEST_TSO4")), "not-ready", "ready"),
    "driver-not-loaded": (nic(virtio=virtio("no-driver"), features=features("no-driver")), "unknown", "unknown"),
    "driver-declined": (
        nic(virtio=virtio("driver-without-tso"), features=features("driver-without-tso")), "not-ready", "not-ready"),
    "failover-standby": (nic(virtio=STANDBY_TAKEN), "unknown", "unknown"),
    "tap-unreadable": (nic(kind="direct"), "unknown", "unknown"),
    "host-disabled-checksum": (nic(features=features("host-tx-off")), "not-ready", "not-ready"),
    "host-disabled-segmentation": (nic(features=features("host-sg-off")), "not-ready", "not-ready"),
    "guest-disabled-rsc": (nic(features=features("guest-dropped-rsc-host-asked")), "not-ready", "not-ready"),
    "tap-segmentation-off": (nic(features=features("guest-dropped-rsc")), "not-ready", "not-ready"),
    "segment-limit": (nic(sender=Hop("tap0", "sends", limits=Limits(gso=3000, gso_ipv4=65536))), "ready", "not-ready"),
    "queueing-segments": (nic(sender=Hop("tap0", "sends", queueing="tbf with a burst of 10200 bytes")), "not-ready", "not-ready"),
    "gro-off": (nic(ways=(Way("outside", (Hop("eno1", "receives", features=UNGATHERED),)),)), "not-ready", "not-ready"),
    "path-segments": (nic(ways=(Way("host", (Hop("vmbr0", "sends", features=UNCHECKED),)),)), "not-ready", "not-ready"),
    "guest-too-old": (nic(guest=windows(version=(6, 1, 7601))), "not-ready", "not-ready"),
    "offload-globally-disabled": (nic(guest=windows("NetOffloadGlobalDisabled")), "not-ready", "ready"),
    "nic-property-disabled": (nic(guest=linux(on=False)), "not-ready", "not-ready"),
    "capability": (nic(guest=windows(ipv6="Capability")), "ready", "not-ready"),
    "ndis-compatibility": (nic(guest=windows("NDISCompatibility", "NDISCompatibility")), "not-ready", "not-ready"),
    "wfp-compatibility": (nic(guest=windows("WFPCompatibility")), "not-ready", "ready"),
    "forwarding-enabled": (nic(guest=windows("ForwardingEnabled")), "not-ready", "ready"),
    "guest-unreachable": (nic(guest=Unasked("the guest agent: it does not answer"), guest_must=True), "unknown", "unknown"),
    "not-wire-like": (nic(**HCK, virtio=virtio("hck-driver"), features=features("hck-driver")), "ready", "ready"),
    "offered-though-off": (nic(rsc="false"), "ready", "ready"),
    "fixed-id-sender": (
        nic(traffic=traffic(recorded("fixed-id")), ways=WHOLE_WAY, features=mangling(on=False)), "not-ready", "ready"),
}  # fmt: skip
