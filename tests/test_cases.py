"""Cases of public threads about slow Windows guests: each with the verdict, cause and fix that are right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.api.saved import judged_from
from provision.runtime.protocols import Domain
from provision.verbs.fix.repair import plan_repair
from provision.verify.collect.machines import collect_domain
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES, FakeEdges, features, virtio
from tests.builders import ON as NIC_ON
from tests.cases import CASES, ON, by_arguments, next_start, of_domain, told

READY, UNKNOWN = ("ready", ""), ("unknown", "tap-unreadable")
NO_HEADER, OFF, EMULATED = (
    ("not-ready", cause) for cause in ("no-vnet-header", "guest-offloads-off", "not-virtio")
)
VMXNET3, STANDS_BY = ("unknown", "not-virtio"), ("unknown", "failover-standby")
NO_MODEL = ("unknown", "")

TWO_NICS_OF_PROXMOX = (
    "-netdev type=tap,id=net0,ifname=tap100i0 -device virtio-net-pci,netdev=net0,id=net0 "
    "-netdev type=tap,id=net1,ifname=tap100i1 -device e1000,netdev=net1,id=net1"
)
SOCKETS = (
    "-netdev socket,id=s0,listen=127.0.0.1:14000 -device virtio-net-pci,netdev=s0 "
    "-netdev stream,id=p0,server=on -device virtio-net-pci,netdev=p0 "
    "-netdev dgram,id=d0,local.type=inet -device virtio-net-pci,netdev=d0"
)
TRANSITIONAL = (
    "-netdev tap,id=a,ifname=t1 -device virtio-net-pci,disable-modern=on,disable-legacy=off,netdev=a "
    "-netdev tap,id=b,ifname=t2 -device virtio-net-pci-transitional,netdev=b "
    "-netdev tap,id=c,ifname=t3 -device virtio-net-pci-non-transitional,netdev=c"
)


@pytest.mark.parametrize(
    ("words", "taps", "right"),
    [
        ("-net nic,model=virtio,macaddr=52:54:00:00:00:01 -net tap,ifname=tap30,script=no", {8: "tap30"}, [NO_HEADER]),
        ("-net nic,model=virtio,netdev=a -netdev tap,id=a,ifname=tap30", {8: "tap30"}, [READY]),
        ("-netdev hubport,hubid=0,id=h -device virtio-net-pci,netdev=h", {}, [NO_HEADER]),
        ("-nic tap,ifname=tap31,script=no,model=virtio-net-pci,mac=52:54:00:00:00:02", {8: "tap31"}, [READY]),
        ("-netdev tap,id=n,ifname=tap33 -device virtio-net-pci,netdev=n,csum=off,guest_csum=off,guest_tso4=off", {8: "tap33"}, [OFF]),
        (
            TWO_NICS_OF_PROXMOX,
            {8: "tap100i0", 9: "tap100i1"},
            [READY, EMULATED],
        ),
        (
            "-netdev type=tap,id=nic-8180,fds=20:21:22:23 -device virtio-net-pci,id=nic-8180,netdev=nic-8180,mq=on",
            dict.fromkeys((20, 21, 22, 23), "gnt.com.0"),
            [READY],
        ),
        ("-netdev user,id=u0 -device virtio-net-pci,netdev=u0,mq=on,vectors=6", {}, [NO_HEADER]),
        ("-netdev vhost-user,id=n2,chardev=c2,vhostforce=on -device virtio-net-pci,netdev=n2", {}, [UNKNOWN]),
        (
            SOCKETS,
            {},
            [NO_HEADER] * 3,
        ),
        (
            TRANSITIONAL,
            {8: "t1", 9: "t2", 10: "t3"},
            [READY] * 3,
        ),
        ("-M microvm -netdev tap,id=n0,ifname=tapmmio -device virtio-net-device,netdev=n0,id=mm", {8: "tapmmio"}, [READY]),
        ("-netdev tap,id=n,ifname=t -device virtio-net-pci,netdev=n -object filter-dump,id=f,netdev=n", {8: "t"}, [READY]),
        ("-netdev tap,id=n0,fd=20 -device virtio-net-pci,netdev=n0,id=virtlet", {20: "tap24"}, [READY]),
        ("-netdev tap,id=a,ifname=t -device virtio-net-pci,netdev=a,guest_csum=off", {8: "t"}, [OFF]),
        ("-global virtio-net-pci.guest_tso4=off -netdev tap,id=a,ifname=t -device virtio-net-pci,netdev=a", {8: "t"}, [OFF]),
        (
            "-global driver=virtio-net-pci,property=guest_tso6,value=off -netdev tap,id=a,ifname=t -device virtio-net,netdev=a",
            {8: "t"},
            [OFF],
        ),
        ("-device virtio-net-pci,id=lonely,mac=52:54:00:00:00:27", {}, [NO_HEADER]),
        ("-device e1000e -device virtio-blk-pci", {}, [EMULATED]),
        ("-netdev tap,id=a,script=no -device virtio-net-pci,netdev=a", {8: "tap0"}, [READY]),
        ("-netdev tap,id=a,ifname=t -device virtio-net-pci,netdev=a,failover=on", {8: "t"}, [STANDS_BY]),
        ("-netdev tap,id=a,ifname=tapvmx -device vmxnet3,netdev=a,id=vmx", {8: "tapvmx"}, [VMXNET3]),
    ],
)  # fmt: skip
def test_a_command_line_is_judged(words: str, taps: dict[int, str], right: list[tuple[str, str]]) -> None:
    assert [told(verdict) for verdict in by_arguments(words, taps)] == right


@pytest.mark.parametrize(
    ("words", "seen", "fix"),
    [
        ("-net nic,model=virtio -net tap,ifname=t", "a hub is between", "in place of `-net`"),
        ("-device virtio-net-pci", "no netdev is attached", "`netdev=ID` on the device"),
        ("-netdev tap,id=n,fd=20 -device virtio-net-pci,netdev=n", "opened without a vnet header", "IFF_VNET_HDR"),
        ("-netdev stream,id=n -device virtio-net-pci,netdev=n", "stream netdev", "put the NIC on a TAP"),
    ],
)  # fmt: skip
def test_what_has_no_vnet_header_is_said_in_its_own_words(words: str, seen: str, fix: str) -> None:
    [verdict] = by_arguments(words, {20: "t"} if " tap," in words else {}, header=False)

    assert told(verdict) == NO_HEADER
    assert seen in verdict.finding.seen
    assert any(fix in line for line in verdict.fix)


def test_a_nic_of_the_qemu_command_line_is_judged_by_that_where_no_monitor_tells_it() -> None:
    """Evidence of 0.1.0, which asked no monitor of a domain without an `<interface>`."""
    [outcome] = judged_from(str(FIXTURES / "threads" / "nic-on-the-command-line"), None)
    [verdict] = outcome.value or []

    assert (verdict.evidence.nic, verdict.evidence.tap) == ("cmdnet0", "tapcmd0")
    assert told(verdict) == OFF
    assert any("guest_tso4=on" in line for line in verdict.fix)


def test_evidence_that_does_not_tell_which_tap_a_descriptor_is_leaves_it_unknown_in_words() -> None:
    [outcome] = judged_from(str(FIXTURES / "threads" / "descriptors-of-four-queues"), None)
    [verdict] = outcome.value or []

    assert told(verdict) == UNKNOWN
    assert "handed its TAP as a descriptor, and nobody looked" in verdict.finding.seen
    assert [rung.states["ipv4"] for rung in verdict.ladder[:3]] == ["pass"] * 3


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_nic_of_the_qemu_command_line_is_nothing_that_an_edit_of_interfaces_mends(state: str) -> None:
    xml = (CASES / "xml" / "qemu-commandline.xml").read_text()
    [verdict] = of_domain("xml/qemu-commandline", state)

    repair = plan_repair(verdict, Domain("vm", state, xml, xml))

    assert (repair.mends, repair.pending) == ((), ())
    assert repair.told


@pytest.mark.parametrize(
    ("case", "right"),
    [
        ("unraid-virtio-net", [NO_HEADER, READY]),
        ("kubevirt", [READY]),
        ("ovirt", [READY]),
        ("nova-ethernet", [READY]),
        ("1131-two-nics", [UNKNOWN, READY]),
        ("1026-queue-sizes", [READY]),
        ("qemu-commandline", [OFF]),
        ("global-commandline", [OFF]),
        ("harvester", [EMULATED, READY]),
        ("models", [VMXNET3, EMULATED, NO_MODEL]),  # libvirt 9 opens a vmxnet3's TAP with a header, older ones do not
        ("packed-legacy", [READY]),
        ("all-off", [OFF]),
        ("sockets", [NO_HEADER] * 3),
        ("1630-64cpu", [READY]),
        ("teaming", [STANDS_BY]),
        ("same-mac", [OFF, READY]),
    ],
)  # fmt: skip
def test_of_a_machine_that_is_off_its_definition_is_judged(case: str, right: list[tuple[str, str]]) -> None:
    verdicts = of_domain(f"xml/{case}", "off")

    assert {told(verdict) for verdict in verdicts} == {("unknown", "machine-off")}
    assert [next_start(verdict) for verdict in verdicts] == right


@pytest.mark.parametrize(
    ("case", "right"),
    [
        ("unraid-win11", [NO_HEADER]),
        ("1131-win10", [UNKNOWN, READY]),
        ("nova-ovs", [READY]),
        ("381-vhostuser", [UNKNOWN]),
    ],
)
def test_so_is_what_is_to_be_imported(case: str, right: list[tuple[str, str]]) -> None:
    assert [next_start(verdict) for verdict in of_domain(f"import/{case}", "off")] == right


@pytest.mark.parametrize(
    ("case", "right"),
    [
        ("unraid-virtio-net", [NO_HEADER, READY]),
        ("kubevirt", [READY]),
        ("nova-ethernet", [READY]),
        ("1131-two-nics", [UNKNOWN, READY]),
        ("harvester", [EMULATED, READY]),
        ("models", [VMXNET3, EMULATED, NO_MODEL]),
        ("packed-legacy", [READY]),
        ("sockets", [NO_HEADER] * 3),
        ("teaming", [STANDS_BY]),
    ],
)
def test_a_running_domain_whose_monitor_is_left_alone_is_judged_by_its_xml_and_its_taps(
    case: str, right: list[tuple[str, str]]
) -> None:
    judged = [judge_nic(replace(verdict.evidence, features=ON)) for verdict in of_domain(f"xml/{case}")]

    assert [told(verdict) for verdict in judged] == right


def with_checksum_off(vcpus: str) -> NicVerdict:
    """The machine of the report, whose TAP had `tx off`."""
    xml = (CASES / "xml" / "1630-64cpu.xml").read_text().replace(">64<", f">{vcpus}<")
    [nic] = collect_domain(FakeEdges(), "local", Domain("vm", "running", xml, xml), monitor=False)
    runs = replace(nic, tap="vnet7", shown="descriptor", properties=NIC_ON, virtio=virtio("linux"))
    return judge_nic(replace(runs, features=features("host-tx-off")))


def test_a_known_issue_that_has_the_checksum_off_on_purpose_is_named_before_it_is_switched_on() -> None:
    verdict = with_checksum_off("64")
    repair = plan_repair(verdict, None)

    assert told(verdict) == ("not-ready", "host-disabled-checksum")
    assert "issue 1630" in verdict.fix[0]
    assert verdict.fix[1] == "ethtool -K vnet7 tx on"
    assert repair.command == ()
    assert "issue 1630" in repair.told[0]


def test_a_machine_of_few_processors_has_no_such_issue() -> None:
    verdict = with_checksum_off("59")

    assert verdict.fix[0] == "ethtool -K vnet7 tx on"
    assert plan_repair(verdict, None).command
