"""Models and backends that people really have: each its right words, and a fix that applies to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from provision.api.saved import judged_from
from provision.facts.ethtool_features import FeaturesRead
from provision.facts.ip import Link
from provision.facts.virtio import VirtioFacts
from provision.runtime.protocols import Domain
from provision.tables.models import is_qemus_virtio
from provision.tables.offloads import STANDBY
from provision.verbs.fix.definition import Pending
from provision.verbs.fix.repair import plan_repair
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.machines import collect_domain
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES, FakeEdges, features, nic, virtio
from tests.causes import without
from tests.repairs import SET_VIRTIO, xml

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_OFFERED = without(virtio("linux"), "GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6")
TAP = Link("tap0", "tun", "", up=True, mtu=1500, master="br0", tap=True)
BRIDGE = Link("br0", "bridge", "", up=True, mtu=1500, master="")
ON = FeaturesRead({"tap0": features("negotiated-by-linux")})


def cause_of(verdict: NicVerdict) -> str:
    return verdict.finding.cause.id if verdict.finding.cause else verdict.verdict


def said(folder: str) -> dict[str, NicVerdict]:
    """The verdicts on evidence from a thread, by NIC."""
    outcomes = judged_from(str(FIXTURES / "threads" / folder), None)
    assert [outcome.error for outcome in outcomes] == [None]
    return {verdict.evidence.nic: verdict for outcome in outcomes for verdict in outcome.value or ()}


@pytest.mark.parametrize(
    ("where", "verdict", "cause", "words", "fix"),
    [
        ("hub/net0", "not-ready", "no-vnet-header", "a hub is between", "in place of `-net`"),
        ("vhost-user-without-offloads/vhuwithout", "not-ready", "not-offered", "GUEST_TSO4", "userspace-tso-enable"),
        ("descriptor-without-header/virtlet", "not-ready", "no-vnet-header", "guest_csum is on", "IFF_VNET_HDR"),
        ("vmxnet3/vmx", "unknown", "not-virtio", "vmxnet3, whose own driver", "virtio-net-pci"),
        ("model-virtio-net/net0", "not-ready", "no-vnet-header", "for model virtio-net", "<model type='virtio'/>"),
    ],
)  # fmt: skip
def test_what_people_have_gets_its_own_words(
    where: str, verdict: str, cause: str, words: str, fix: str
) -> None:
    folder, _, name = where.partition("/")
    found = said(folder)[name]

    assert (found.verdict, cause_of(found)) == (verdict, cause)
    assert words in found.finding.seen
    assert any(fix in line for line in found.fix)


def test_no_fix_is_told_that_does_not_apply() -> None:
    assert not any("report it" in line for line in said("vhost-user-without-offloads")["vhuwithout"].fix)
    assert not any("<interface" in line for line in said("descriptor-without-header")["virtlet"].fix)
    assert [line for line in said("model-virtio-net")["net0"].fix if "TAP" in line] == []


def test_the_other_nic_of_that_domain_is_ready() -> None:
    assert said("model-virtio-net")["net1"].verdict == "ready"


def test_what_0_1_0_did_not_ask_of_a_virtio_mmio_device_is_unknown() -> None:
    found = said("virtio-mmio")["mm"]

    offered = next(rung for rung in found.ladder if rung.name == "offered")
    assert (offered.states["ipv4"], "does not have it" in offered.seen) == ("unknown", True)
    assert cause_of(found) == "link-down"  # its TAP was never up


@pytest.mark.parametrize(
    "name",
    ["virtio-net", "virtio-net-pci", "virtio-net-pci-transitional", "virtio-net-ccw", "virtio-net-device"],
)
def test_qemus_names_for_virtio_are_virtio(name: str) -> None:
    assert is_qemus_virtio(name)


@pytest.mark.parametrize("name", ["virtio", "virtio-netx", "vmxnet3", "", "virtio-net-pci-"])
def test_no_other_name_is(name: str) -> None:
    assert not is_qemus_virtio(name)


def of_domain(model: str, more: str = "", state: str = "running") -> NicEvidence:
    """The NIC of a domain with this model, of which the monitor is not asked."""
    live = xml(f"<source bridge='br0'/><target dev='tap0'/><model type='{model}'/>{more}")
    domain = Domain("vm", state, live, live)
    [found] = collect_domain(FakeEdges(), "local", domain, monitor=False)
    return found


def on_tap(evidence: NicEvidence, *, header: bool) -> NicEvidence:
    links = {"tap0": replace(TAP, vnet_hdr=header), "br0": BRIDGE}
    return with_tap(evidence, TapsRead(ON, links))


@pytest.mark.parametrize("model", ["virtio", "virtio-transitional", "virtio-non-transitional"])
def test_libvirts_own_names_have_a_header(model: str) -> None:
    assert judge_nic(on_tap(of_domain(model), header=True)).verdict == "ready"


@pytest.mark.parametrize("model", ["virtio-net", "virtio-net-pci", "virtio-net-pci-non-transitional"])
def test_names_that_libvirt_hands_on_have_none(model: str) -> None:
    found = judge_nic(on_tap(of_domain(model), header=False))

    assert cause_of(found) == "no-vnet-header"
    assert found.verdict == "not-ready"


@pytest.mark.parametrize(("header", "cause"), [(True, "not-virtio"), (False, "no-vnet-header")])
def test_a_vmxnet3_is_judged_by_its_taps_header(header: bool, cause: str) -> None:  # noqa: FBT001
    """libvirt opens it with one; older versions gave a header to virtio alone."""
    found = judge_nic(on_tap(of_domain("vmxnet3"), header=header))

    assert cause_of(found) == cause
    assert found.verdict == ("unknown" if header else "not-ready")


def test_a_vmxnet3_without_tap_has_no_header() -> None:
    assert cause_of(judge_nic(nic(kind="user", model="vmxnet3", tap=None))) == "no-vnet-header"


def test_an_e1000e_is_what_it_is_whatever_its_tap() -> None:
    assert cause_of(judge_nic(on_tap(of_domain("e1000e"), header=True))) == "not-virtio"
    assert cause_of(judge_nic(nic(kind="user", model="e1000e", tap=None))) == "not-virtio"


def repaired(evidence: NicEvidence, kept: str) -> Sequence[object]:
    live = xml(f"<model type='{evidence.misnamed or evidence.model}'/>")
    repair = plan_repair(judge_nic(evidence), Domain("vm", "running", live, xml(f"<model type='{kept}'/>")))
    return [mend.edit for mend in repair.mends] or repair.pending


def test_a_misnamed_model_is_given_the_name_that_libvirt_knows() -> None:
    evidence = on_tap(of_domain("virtio-net"), header=False)

    assert repaired(evidence, "virtio-net") == [SET_VIRTIO]
    assert repaired(evidence, "virtio") == (Pending("model virtio").what,)


def test_a_backend_without_header_is_its_users_to_exchange() -> None:
    repair = plan_repair(judge_nic(nic(kind="user", tap=None)), Domain("vm", "running", xml(), xml()))

    assert (repair.mends, repair.pending) == ((), ())
    assert "put the NIC on a TAP" in repair.told[0]


@pytest.mark.parametrize("kind", ["socket", "stream", "dgram", "l2tpv3", "vde"])
def test_other_netdevs_are_called_by_their_name(kind: str) -> None:
    found = judge_nic(nic(kind=kind, tap=None, virtio=NOTHING_OFFERED))

    assert (cause_of(found), found.finding.seen) == ("no-vnet-header", f"{kind} netdev")


def test_a_kind_of_netdev_that_is_not_known_is_judged_by_what_qemu_offers() -> None:
    facts = {"virtio": virtio("linux"), "tap": None}

    assert judge_nic(nic(kind="passt", **facts)).verdict == "unknown"
    assert cause_of(judge_nic(nic(kind="passt", **{**facts, "virtio": NOTHING_OFFERED}))) == "not-offered"


def test_a_device_without_a_netdev_has_no_backend() -> None:
    found = judge_nic(nic(kind="none", tap=None, virtio=NOTHING_OFFERED, features=Unasked("there is no TAP")))

    assert cause_of(found) == "no-vnet-header"
    assert found.finding.seen == "no netdev is attached to the device"
    assert any("`netdev=ID` on the device" in line for line in found.fix)


def with_standby(facts: VirtioFacts, *, taken: bool) -> VirtioFacts:
    negotiated = facts.negotiated | ({STANDBY} if taken else set())
    return replace(facts, offered=facts.offered | {STANDBY}, negotiated=negotiated)


def test_the_standby_of_a_pair_says_that_the_vf_carries_the_traffic() -> None:
    found = judge_nic(nic(virtio=with_standby(virtio("linux"), taken=True)))

    assert (found.verdict, cause_of(found)) == ("unknown", "failover-standby")
    assert "the VF carries the traffic" in found.finding.seen


def test_by_its_definition_too() -> None:
    evidence = on_tap(of_domain("virtio", "<teaming type='persistent'/>"), header=True)

    assert cause_of(judge_nic(evidence)) == "failover-standby"


def test_a_driver_that_takes_no_standby_gets_no_vf() -> None:
    assert judge_nic(nic(virtio=with_standby(virtio("linux"), taken=False))).verdict == "ready"


def test_what_is_broken_below_is_said_of_a_standby_too() -> None:
    facts = with_standby(virtio("driver-without-tso"), taken=True)

    assert (
        cause_of(judge_nic(nic(virtio=facts, features=features("driver-without-tso")))) == "driver-declined"
    )
