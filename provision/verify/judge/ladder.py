"""The ladder from *configured* to *observed*: each rung's answer.

Every rung is answered by itself, so that what follows from a broken rung stays visible as evidence;
which rung is to blame is `judge`'s part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES, Interface
from provision.tables.models import OWN_LRO
from provision.tables.offloads import BY_NAME, HCK, MANGLEID, STANDBY, TSO
from provision.verify.evidence import FAMILIES, Family, NicEvidence, Unasked
from provision.verify.judge.flows import coalesced, seen, traffic_words
from provision.verify.judge.fold import arrivals, drawn_words, tap_cuts
from provision.verify.judge.guest_rungs import enabled, operational
from provision.verify.judge.rung import Rung, State, as_state, same

if TYPE_CHECKING:
    from collections.abc import Callable

# Firmware drivers (iPXE, OVMF's VirtioNetDxe) take no more than these; an operating system's takes at
# least the control queue or the ring features.
_FIRMWARE_TAKES = frozenset(
    {
        "VIRTIO_NET_F_MAC",
        "VIRTIO_NET_F_MTU",
        "VIRTIO_NET_F_STATUS",
        "VIRTIO_F_VERSION_1",
        "VIRTIO_F_IOMMU_PLATFORM",
        "VIRTIO_F_ANY_LAYOUT",
    }
)
_TAPLESS = Interface("unknown", unreadable="this kind of interface is not known")


def needed(evidence: NicEvidence, family: Family) -> tuple[str, ...]:
    """The offloads without which this family's RSC cannot be."""
    return ("guest_csum", TSO[family], *((HCK,) if evidence.hck else ()))


def loaded(evidence: NicEvidence) -> bool:
    """Whether an operating system's driver has taken the device."""
    facts = evidence.virtio
    return not isinstance(facts, Unasked) and facts.driver_ok and not facts.negotiated <= _FIRMWARE_TAKES


def without_vnet_header(evidence: NicEvidence) -> str:
    """Why its backend has no vnet header, as far as that is known: by its kind, by what QEMU offers, by the TAP itself."""
    interface = INTERFACES.get(evidence.kind, _TAPLESS)
    properties, facts = evidence.properties, evidence.virtio
    if not interface.vnet_header:
        return interface.words
    offers = None if isinstance(facts, Unasked) else BY_NAME["guest_csum"].virtio in facts.offered
    if offers or not interface.is_opened:
        return ""
    if evidence.misnamed and not evidence.vnet_header:
        return f"for model {evidence.misnamed} libvirt opens the TAP without a vnet header"
    if offers is False and not isinstance(properties, Unasked) and properties.get("guest_csum", False):
        return "guest_csum is on at the device, and is not offered"
    return "its TAP was opened without a vnet header" if evidence.vnet_header is False else ""


def own_driver_decides(evidence: NicEvidence) -> bool:
    """Whether it is no virtio NIC, and what its own driver asks for is handed to the guest in large segments."""
    lro = evidence.model in OWN_LRO and not without_vnet_header(evidence)
    return evidence.kind == "hostdev" or lro


def standby(evidence: NicEvidence) -> bool:
    """Whether the guest's traffic goes by another device, for which this one stands by.

    QEMU plugs that in once the driver took STANDBY (virtio_net_set_features); before that nobody knows.
    """
    facts = evidence.virtio
    if isinstance(facts, Unasked):
        return evidence.standby
    return STANDBY in facts.offered and (not loaded(evidence) or STANDBY in facts.negotiated)


def wire_like(evidence: NicEvidence) -> bool | None:
    """Whether the TAP has checksum and TSO off, so that every frame arrives as on a wire; None: not known."""
    if isinstance(evidence.features, Unasked):
        return None
    names = ("guest_csum", *TSO.values())
    return not any(evidence.features[BY_NAME[name].tap].active for name in names)


def engine_dropped(evidence: NicEvidence, family: Family) -> bool:
    """Whether the guest dropped a family's TSO after it had taken it, which switches QEMU's engine off for it.

    While the guest has TSO on it is asked for, also where `tx off` keeps it off: `off [requested on]`.
    """
    features = evidence.features
    if not evidence.hck or isinstance(features, Unasked) or not loaded(evidence):
        return False
    checksum, tso = features[BY_NAME["guest_csum"].tap], features[BY_NAME[TSO[family]].tap]
    return not tso.active and (checksum.active or not tso.requested)


def unreadable(evidence: NicEvidence) -> str:
    """Why the TAP cannot tell what it passes on; empty where it can."""
    why = INTERFACES.get(evidence.kind, _TAPLESS).unreadable
    return why or (evidence.features.reason if isinstance(evidence.features, Unasked) else "")


def _words(on: list[str], off: list[str], is_on: str, is_off: str) -> str:
    parts = [f"{', '.join(on)} {is_on}"] if on else []
    parts += [f"{', '.join(off)} {is_off}"] if off else []
    return "; ".join(parts)


def _all_needed(evidence: NicEvidence) -> list[str]:
    return list(dict.fromkeys(name for family in FAMILIES for name in needed(evidence, family)))


def _configured(evidence: NicEvidence) -> Rung:
    rung = _device_configured(evidence)
    cuts = "; ".join(cut.seen for cut in evidence.cuts)
    return same("configured", "fail", f"{rung.seen}; link down: {cuts}") if cuts else rung


def _device_configured(evidence: NicEvidence) -> Rung:
    if not evidence.model and evidence.kind != "hostdev":
        return same("configured", "unknown", "libvirt tells no model of this NIC")
    bare, properties = without_vnet_header(evidence), evidence.properties
    if evidence.model != "virtio":
        state: State = "unknown" if own_driver_decides(evidence) else "fail"
        more = f"; no vnet header: {bare}" if bare and evidence.model in OWN_LRO else ""
        return same("configured", state, f"model {evidence.model}{more}")
    if bare and (isinstance(properties, Unasked) or not INTERFACES[evidence.kind].vnet_header):
        return same("configured", "fail", f"no vnet header: {bare}")
    if isinstance(properties, Unasked):
        return same("configured", "unknown", properties.reason)
    names = _all_needed(evidence)
    on = [name for name in names if properties.get(name, False)]
    seen = _words(on, [name for name in names if name not in on], "on", "off")
    if bare:
        return same("configured", "fail", f"{seen}; and no vnet header")
    return Rung("configured", {f: as_state(set(needed(evidence, f)) <= set(on)) for f in FAMILIES}, seen)


def _offered(evidence: NicEvidence) -> Rung:
    facts = evidence.virtio
    if isinstance(facts, Unasked):
        return same("offered", "unknown", facts.reason)
    return _features("offered", evidence, facts.offered, "offered", "not offered")


def _negotiated(evidence: NicEvidence) -> Rung:
    facts = evidence.virtio
    if isinstance(facts, Unasked):
        return same("negotiated", "unknown", facts.reason)
    if not loaded(evidence):
        status = ", ".join(sorted(name.removeprefix("VIRTIO_CONFIG_S_") for name in facts.status)) or "none"
        return same(
            "negotiated",
            "fail" if evidence.waited or facts.failed else "unknown",
            f"{facts.untaken} (status: {status})",
        )
    return _features("negotiated", evidence, facts.negotiated, "taken by the guest's driver", "not taken")


def _passed(evidence: NicEvidence) -> Rung:
    features = evidence.features
    if isinstance(features, Unasked) or unreadable(evidence):
        return same("passed", "unknown", unreadable(evidence))
    names = [BY_NAME[name].tap for name in ("guest_csum", *TSO.values())]
    seen = ", ".join(f"{name} {features.get(name, 'not known')}" for name in names)
    if evidence.shown == "name":
        seen = f"{seen} (of the device of that name: sudo shows which one QEMU holds)"
    if evidence.hck:
        whole = wire_like(evidence) or bool(evidence.lone)
        on = {f: as_state(whole and not engine_dropped(evidence, f)) for f in FAMILIES}
        alone = f"nothing else on {evidence.lone} can send with offloads" if evidence.lone else ""
        return Rung("passed", on, f"{seen} ({alone or 'HCK needs all of them off'})")
    if evidence.model != "virtio":
        return same("passed", "unknown", seen)
    if standby(evidence):
        return same("passed", "unknown", f"{seen}; and it stands by for another device")
    checksum = features[BY_NAME["guest_csum"].tap].active
    if not checksum and not loaded(evidence):
        return same("passed", "unknown", f"{seen}: off until a driver asks for it")
    tso = {f: features.get(BY_NAME[TSO[f]].tap) for f in FAMILIES}
    cut = {f: [words for words in tap_cuts(evidence, f) if words] for f in FAMILIES}
    more = dict.fromkeys(words for f in FAMILIES for words in cut[f])
    states: dict[Family, State] = {
        f: "unknown" if line is None else as_state(checksum and line.active and not cut[f])
        for f, line in tso.items()
    }
    return Rung("passed", states, "; ".join((seen, *more)))


def _gathered(evidence: NicEvidence) -> Rung:
    """Of NICs with `rsc: false` or the engine it is nobody's wish."""
    if isinstance(evidence.ways, Unasked):
        return same("gathered", "skipped", evidence.ways.reason)
    if evidence.rsc in ("false", "hck"):
        return same("gathered", "skipped", "not judged of a NIC that is not to receive large frames")
    if not evidence.ways:
        return same("gathered", "skipped", "no way leads to it from outside or from this host")
    found = {family: {each.whole for _, each in arrivals(evidence, family)} for family in FAMILIES}
    states: dict[Family, State] = {
        family: "fail" if False in whole else "unknown" if None in whole else "pass"
        for family, whole in found.items()
    }
    return Rung("gathered", states, drawn_words(evidence))


def _features(name: str, evidence: NicEvidence, there: frozenset[str], is_on: str, is_off: str) -> Rung:
    short = {
        offload: BY_NAME[offload].virtio.removeprefix("VIRTIO_NET_F_") for offload in _all_needed(evidence)
    }
    on = [offload for offload in short if BY_NAME[offload].virtio in there]
    seen = _words([short[o] for o in on], [short[o] for o in short if o not in on], is_on, is_off)
    return Rung(name, {f: as_state(set(needed(evidence, f)) <= set(on)) for f in FAMILIES}, seen)


def cuts_one_number(evidence: NicEvidence) -> bool:
    """Whether the TAP cuts flows of IPv4 that have one IP ID: all else is whole, and it has not been told that it may not.

    GRO gathers such a flow as one that is to be cut into segments of one IP ID again, which a device says that it can do by
    a feature of its own (Linux net/core/dev.c, gso_features_check).
    """
    features = evidence.features
    if isinstance(features, Unasked) or not seen(evidence, "ipv4").one_number:
        return False
    mangles = features.get(MANGLEID)
    whole = (rung(evidence).states["ipv4"] for rung in (_passed, _gathered))
    return mangles is not None and not mangles.active and set(whole) == {"pass"}


def unexplained(evidence: NicEvidence, family: Family) -> str:
    """What is known not to be why single segments arrive; empty where they do not, or where that is known."""
    passed, gathered = (rung(evidence).states[family] for rung in (_passed, _gathered))
    if coalesced(evidence, family) is not False or "fail" in (passed, gathered):
        return ""
    found = seen(evidence, family)
    counted = family == "ipv4" and bool(found.cut) and not found.one_number
    said = (
        "its TAP's offloads, limits and queueing" if passed == "pass" else "",
        "the devices on the way to it" if gathered == "pass" else "",
        "one IP ID for all" if counted else "",
    )
    return f"why is not known, excluded: {', '.join(filter(None, said)) or 'nothing'}"


def _observed(evidence: NicEvidence) -> Rung:
    words = traffic_words(evidence)
    if evidence.traffic is None:
        return same("observed", "skipped", words)
    states: dict[Family, State] = {f: "pass" if coalesced(evidence, f) else "unknown" for f in FAMILIES}
    if cuts_one_number(evidence):
        states["ipv4"] = "fail"
    why = [unexplained(evidence, f) for f in FAMILIES if states[f] == "unknown"]
    return Rung("observed", states, "; ".join(dict.fromkeys(filter(None, (words, *why)))))


_RUNGS: tuple[Callable[[NicEvidence], Rung], ...] = (_configured, _offered, _negotiated, _passed, _gathered)
OF_THE_GUEST = ("enabled", "operational")
ORDER = ("configured", "offered", "negotiated", "passed", "gathered", *OF_THE_GUEST, "observed")
"""The rungs, bottom first."""


def ladder(evidence: NicEvidence) -> tuple[Rung, ...]:
    """Every rung of a NIC, bottom first."""
    if evidence.state == "off":
        rungs = [same(rung.__name__.lstrip("_"), "unknown", "the machine is not running") for rung in _RUNGS]
    else:
        rungs = [rung(evidence) for rung in _RUNGS]
    return (*rungs, enabled(evidence), operational(evidence), _observed(evidence))


def may_yet_load(nic: NicEvidence) -> bool:
    """Whether waiting for the NIC's driver is of any use."""
    asked = not (isinstance(nic.virtio, Unasked) and nic.virtio.final)
    return nic.model == "virtio" and nic.state == "running" and asked and not loaded(nic)


def missing_features(nic: NicEvidence, family: Family, there: frozenset[str]) -> str:
    """The virtio features that a family needs and that are not there, by their names without prefix."""
    names = (BY_NAME[name].virtio for name in needed(nic, family))
    return ", ".join(name.removeprefix("VIRTIO_NET_F_") for name in names if name not in there)
