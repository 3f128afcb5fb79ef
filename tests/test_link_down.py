"""The cable: wherever it is out, nothing gets through to the guest, and the verdict says where."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from provision.facts.ethtool_features import FeaturesRead
from provision.facts.ip import Link
from provision.facts.pci import parse_pci
from provision.runtime.errors import UnreadableError
from provision.runtime.protocols import Domain
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.link_state import link_is_off
from provision.verify.collect.machines import collect_domain
from provision.verify.collect.monitor import LINK_UNTOLD, with_monitor
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import Cut, NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES, FakeEdges, FakeMonitor, features, nic, virtio
from tests.repairs import xml

if TYPE_CHECKING:
    from collections.abc import Mapping

TAP = Link("tap0", "tun", "", up=True, mtu=1500, master="br0", tap=True, vnet_hdr=True)
BRIDGE = Link("br0", "bridge", "", up=True, mtu=1500, master="")
MAC = "52:54:00:12:34:56"

# As QEMU 7.2.22 printed them of a q35, before `set_link` and after.
UP = "00000000fea02000: 0x52 0x54 0x00 0x12 0x34 0x56 0x01 0x00\r\n"
DOWN = "00000000fea02000: 0x52 0x54 0x00 0x12 0x34 0x56 0x00 0x00\r\n"


def seen_with(*links: Link, **changes: Any) -> NicEvidence:
    told = FeaturesRead({"tap0": features("negotiated-by-linux")})
    return with_tap(nic(**{"bridge": "br0", **changes}), TapsRead(told, {link.name: link for link in links}))


def judged(*links: Link, **changes: Any) -> NicVerdict:
    return judge_nic(seen_with(*links, **changes))


@pytest.mark.parametrize(
    ("links", "seen", "fix"),
    [
        ((replace(TAP, up=False), BRIDGE), "tap0 is down", "ip link set dev tap0 up"),
        ((TAP, replace(BRIDGE, up=False)), "br0 is down", "ip link set dev br0 up"),
        ((replace(TAP, master=""), BRIDGE), "tap0 is not on br0", "ip link set dev tap0 master br0"),
        ((replace(TAP, master="br9"), BRIDGE), "tap0 is not on br0", "ip link set dev tap0 master br0"),
        (
            (replace(TAP, port_state="disabled"), BRIDGE),
            "tap0 is disabled on br0",
            "`bridge link set dev tap0 state 3`, unless STP holds it",
        ),
        *(
            (
                (replace(TAP, port_state=state), BRIDGE),
                f"tap0 is {state} on br0",
                "wait: STP lets tap0 forward once br0's forward_delay has passed twice (`ip -d link show br0`)",
            )
            for state in ("listening", "learning")
        ),
        (
            (replace(TAP, master=""),),
            "there is no br0, which its machine's definition has it on",
            "make br0 again, and `ip link set dev tap0 master br0`; a power cycle of the machine does the latter",
        ),
    ],
)
def test_a_link_that_is_out_is_the_cause(links: tuple[Link, ...], seen: str, fix: str) -> None:
    found = judged(*links)

    assert found.finding.cause is not None
    assert (found.verdict, found.finding.cause.id, found.finding.seen) == ("not-ready", "link-down", seen)
    assert found.fix == (fix,)
    assert {family.verdict for family in found.families.values()} == {"not-ready"}
    rung = found.ladder[0]
    assert (rung.name, set(rung.states.values())) == (found.finding.cause.rung, {"fail"})
    assert rung.seen == f"guest_csum, guest_tso4, guest_tso6 on; link down: {seen}"


def test_a_bridge_that_only_the_tap_tells_is_named() -> None:
    assert judged(TAP, replace(BRIDGE, up=False), bridge="").fix == ("ip link set dev br0 up",)


@pytest.mark.parametrize(
    "links",
    [
        (TAP, BRIDGE),
        (TAP,),  # a bridge that is not seen here
        (replace(TAP, master="ovs-system"), replace(BRIDGE, kind="openvswitch", up=False)),
    ],
)
def test_a_way_that_is_clear_or_not_known_is_no_cause(links: tuple[Link, ...]) -> None:
    assert judged(*links).verdict == "ready"


def test_open_vswitchs_own_device_is_always_down_and_no_cause() -> None:
    datapath = Link("ovs-system", "openvswitch", "", up=False, mtu=1500, master="")

    found = seen_with(replace(TAP, master="ovs-system"), datapath, bridge="")

    assert (found.cuts, found.notes) == ((), ())


@pytest.mark.parametrize(("state", "cuts"), [("paused", ()), ("running", (Cut("tap", "tap0 is down"),))])
def test_libvirt_takes_the_macvtap_of_a_paused_domain_down(state: str, cuts: tuple[Cut, ...]) -> None:
    macvtap = replace(TAP, kind="macvtap", master="", up=False)

    assert seen_with(macvtap, bridge="", state=state).cuts == cuts


def test_of_a_machine_that_is_off_nothing_is_cut() -> None:
    assert seen_with(replace(TAP, up=False), BRIDGE, state="off").cuts == ()


def test_libvirts_xml_tells_of_the_cable() -> None:
    live = xml("<source bridge='br0'/><target dev='tap0'/><model type='virtio'/><link state='down'/>")
    [found] = collect_domain(FakeEdges(), "local", Domain("vm", "running", live, live), monitor=False)
    verdict = judge_nic(found)

    assert verdict.verdict == "not-ready"
    assert "<link state='down'/>" in verdict.finding.seen
    assert verdict.fix[0].startswith(f"libvirt: `virsh domif-setlink vm {MAC} up`")


def pci(**changes: Any) -> list[Mapping[str, Any]]:
    """What `query-pci` tells: a virtio NIC behind a root port, with BARs of which one is not placed."""
    regions = [
        {"bar": 1, "size": 4096, "address": 4265869312, "type": "memory"},
        {"bar": 4, "size": 16384, "address": 0xFEA00000, "type": "memory"},
        {"bar": 6, "size": 262144, "address": -1, "type": "memory"},
    ]
    device = {
        "bus": 1, "qdev_id": "net0", "slot": 0, "function": 0, "id": {"device": 4161, "vendor": 0x1AF4},
        "regions": regions, **changes,
    }  # fmt: skip
    port = {"bus": 0, "qdev_id": "rp0", "slot": 1, "function": 0, "id": {"device": 12, "vendor": 6966},
            "regions": [], "pci_bridge": {"bus": {"number": 0}, "devices": [device]}}  # fmt: skip
    return [{"bus": 0, "devices": [port]}]


def monitor(said: object, there: object = None, *, devfn: int = 0, own: object = None) -> FakeMonitor:
    answers = {"query-pci": pci() if there is None else there, "qom-get": devfn, "query-rx-filter": own or []}
    return FakeMonitor({**answers, "human-monitor-command": said})


PATH = "/machine/peripheral/net0"


@pytest.mark.parametrize(
    ("said", "off"), [(DOWN, True), (UP, False), (DOWN.upper().replace("0X", "0x"), True)]
)
def test_the_configuration_that_the_guest_reads_tells_of_set_link(said: str, off: bool) -> None:  # noqa: FBT001
    assert link_is_off(monitor(said), PATH, MAC.upper()) is off


@pytest.mark.parametrize(
    "said",
    [
        "Cannot access memory\r\n",
        "",
        7,
        DOWN.replace("0x56", "0x57"),  # another device's
        DOWN.replace("0x00 0x00\r", "0x00\r"),
    ],
)
def test_what_is_not_the_devices_own_tells_nothing(said: object) -> None:
    assert link_is_off(monitor(said), PATH, MAC) is None


@pytest.mark.parametrize(
    "there", [[], 7, [{"devices": [{}]}], pci(qdev_id="net1"), pci(regions=[]), [*pci(), *pci()]]
)
def test_a_device_that_is_not_found_tells_nothing(there: object) -> None:
    assert link_is_off(monitor(DOWN, there), PATH, MAC) is None


@pytest.mark.parametrize(
    ("own", "off"),
    [
        ([{"name": "net0", "main-mac": "02:00:00:00:00:57"}], True),
        ([{"name": "net0", "main-mac": MAC}], None),
        ([{"main-mac": 7}, {}], None),
        (7, None),
    ],
)
def test_a_guest_that_has_given_its_nic_another_address_hides_nothing(own: object, off: bool | None) -> None:  # noqa: FBT001
    said = DOWN.replace("0x52 0x54 0x00 0x12 0x34 0x56", "0x02 0x00 0x00 0x00 0x00 0x57")

    assert link_is_off(monitor(said, own=own), PATH, MAC) is off


def test_a_device_of_which_qemu_does_not_tell_says_so_and_is_no_cause() -> None:
    status = json.loads((FIXTURES / "qemu-7.2.22" / "virtio-status-linux.json").read_text())
    switches = {"qom-get": lambda arguments: arguments["property"] != "guest_rsc_ext"}
    legacy = {**monitor("", pci(regions=[])).answers, "x-query-virtio-status": status, **switches}

    found = with_monitor(nic(path=PATH, properties=Unasked("")), FakeMonitor(legacy))

    assert found.notes == (LINK_UNTOLD,)
    assert judge_nic(found).verdict == "ready"


def test_a_device_without_an_id_is_found_by_its_place() -> None:
    path, nameless = "/machine/unattached/device[7]", pci(qdev_id="", slot=3)

    assert link_is_off(monitor(DOWN, nameless, devfn=24), path, MAC)
    assert link_is_off(monitor(DOWN, nameless, devfn=32), path, MAC) is None


def test_bars_are_read_at_every_depth() -> None:
    port, device = parse_pci(pci())

    assert (port.id, port.memory) == ("rp0", {})
    assert (device.id, device.memory) == ("net0", {1: 4265869312, 4: 0xFEA00000})


@pytest.mark.parametrize("answer", [None, {}, [7], [{}], [{"devices": [{"qdev_id": "x"}]}]])
def test_an_answer_of_another_form_is_refused(answer: object) -> None:
    with pytest.raises(UnreadableError):
        parse_pci(answer)


def test_a_link_that_qemu_has_off_is_the_cause_whatever_was_negotiated() -> None:
    found = judge_nic(nic(virtio=virtio("linux"), cuts=(Cut("qemu", "set_link"),)))

    assert found.verdict == "not-ready"
    assert "set_link NAME on" in found.fix[0]
