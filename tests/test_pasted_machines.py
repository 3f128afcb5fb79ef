"""A machine's configuration that somebody pasted: what it has is judged, what it does not tell is unknown."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OFF = "<driver name='qemu'><guest csum='off' tso4='off' tso6='off'/></driver>"
QM = """\
root@pve:~# qm config 104
agent: 1
name: srv-win
net0: virtio=BC:24:11:00:00:04,bridge=vmbr0,firewall=1,queues=8
net1: e1000=BC:24:11:00:00:05,bridge=vmbr0
net2: virtio=BC:24:11:00:00:06
net3: virtio=BC:24:11:00:00:07,bridge=vmbr1,link_down=1,mtu=9000
numa: 0

[before-update]
net0: e1000=BC:24:11:00:00:04,bridge=vmbr0
"""
FEATURES = "# ethtool -k DEVICE | grep -e gener -e tx-tcp\ntx-checksum-ip-generic: on\ntx-tcp-segmentation: WORD\ntx-tcp6-segmentation: WORD\n"


def nic_xml(more: str = "", *, model: str = "virtio", target: str = "vnet21") -> str:
    return (
        f"    <interface type='bridge'>\n      <mac address='52:54:00:00:00:71'/>\n      <source bridge='bridge0'/>\n"
        f"      <target dev='{target}'/>\n      <model type='{model}'/>\n      {more}\n    </interface>\n"
    )


def domain_xml(nics: str, more: str = "", *, running: bool = True) -> str:
    qemu = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
    number = " id='3'" if running else ""
    return f"<domain type='kvm'{number} {qemu}>\n<name>win10</name>\n<devices>\n{nics}</devices>\n{more}</domain>\n"


def told(text: str) -> dict[str, NicVerdict]:
    return {f"{nic.machine}.{nic.nic}": judge_nic(nic) for nic in pasted({"x": text})}


def rungs(verdict: NicVerdict) -> dict[str, str]:
    return {rung.name: f"{rung.states['ipv4']} {rung.states['ipv6']}" for rung in verdict.ladder}


def causes(found: Iterable[NicVerdict]) -> list[tuple[str, str]]:
    return [(each.verdict, each.finding.cause.id if each.finding.cause else "") for each in found]


def test_a_piece_of_a_domains_xml_is_judged_as_far_as_it_tells() -> None:
    [(name, verdict)] = told(f"# virsh dumpxml win10 | grep -A8 '<interface'\n{nic_xml(OFF)}").items()

    assert (name, verdict.evidence.tap) == ("x.net0", "vnet21")
    assert causes([verdict]) == [("not-ready", "guest-offloads-off")]
    assert rungs(verdict)["offered"] == rungs(verdict)["passed"] == "unknown unknown"
    assert "a piece of its XML" in " ".join(verdict.notes)


GLOBAL = "<qemu:commandline><qemu:arg value='-global'/><qemu:arg value='virtio-net-pci.guest_tso4=off'/></qemu:commandline>"
DOMAINS = {
    "all on": (domain_xml(nic_xml()), "unknown", ""),
    "off by attributes": (domain_xml(nic_xml(OFF)), "not-ready", "guest-offloads-off"),
    "off for all by -global": (domain_xml(nic_xml(), GLOBAL), "not-ready", "guest-offloads-off"),
    "an emulated model": (domain_xml(nic_xml(model="e1000")), "not-ready", "not-virtio"),
    "a name of QEMU's": (domain_xml(nic_xml(model="virtio-net")), "not-ready", "no-vnet-header"),
    "a cable that is out": (domain_xml(nic_xml("<link state='down'/>")), "not-ready", "link-down"),
    "a piece that says nothing": (nic_xml(), "unknown", ""),
    "a piece with an alias of its own": (nic_xml(f"{OFF}<alias name='ua-a'/>"), "unknown", ""),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domains_xml_is_judged(name: str) -> None:
    text, verdict, cause = DOMAINS[name]
    for form in (text, html.escape(text), "".join(f"> {line}\r\n" for line in text.splitlines())):
        assert causes(told(form).values()) == [(verdict, cause)]


def test_what_runs_is_told_from_what_is_only_defined() -> None:
    [runs] = told(domain_xml(nic_xml())).values()
    [defined] = told(domain_xml(nic_xml(), running=False)).values()

    assert runs.notes == ()
    assert "what runs may be otherwise" in defined.notes[0]


def test_nics_past_libvirt_are_judged_by_their_arguments() -> None:
    words = (
        "-netdev",
        "tap,id=own,ifname=past0",
        "-device",
        "virtio-net-pci,netdev=own,id=past,guest_tso4=off",
    )
    given = "".join(f"<qemu:arg value='{word}'/>" for word in words)
    found = told(domain_xml(nic_xml(), f"<qemu:commandline>{given}</qemu:commandline>"))

    [past] = [verdict for name, verdict in found.items() if "past" in str(name)]
    assert causes([past]) == [("not-ready", "guest-offloads-off")]


@pytest.mark.parametrize(
    "text",
    [nic_xml()[:150], domain_xml(nic_xml())[:250], "<interface type='bridge'><a></interface>",
     "<domain a='b'><devices/></domain>", "<interface x='y'>" * 500,
     "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain id='1'><devices><interface type='&a;'/></devices></domain>"],
)  # fmt: skip
def test_xml_that_cannot_be_read_is_nothing(text: str) -> None:
    with pytest.raises(RequestError, match="nothing in x"):
        told(text)


def test_interfaces_of_a_domain_that_is_cut_off_are_read() -> None:
    whole = domain_xml(nic_xml(OFF))

    assert causes(told(whole[: whole.index("</devices>")]).values()) == [("not-ready", "guest-offloads-off")]


def test_a_machine_of_proxmox_is_judged_by_its_configuration() -> None:
    found = told(QM)

    assert {name: (each.evidence.tap, *causes([each])[0]) for name, each in found.items()} == {
        "srv-win.net0": ("tap104i0", "unknown", ""),
        "srv-win.net1": ("tap104i1", "not-ready", "not-virtio"),
        "srv-win.net2": (None, "not-ready", "no-vnet-header"),
        "srv-win.net3": ("tap104i3", "not-ready", "link-down"),
    }
    assert rungs(found["srv-win.net0"])["configured"] == "pass pass"
    assert found["srv-win.net3"].evidence.mtu == 9000


def test_machines_of_proxmox_are_told_apart() -> None:
    text = "# qm config 1\nnet0: virtio=BC:24:11:00:00:04,bridge=a\n# cat /etc/pve/qemu-server/2.conf\nnet0: virtio=BC:24:11:00:00:05,bridge=a\n"

    assert [each.evidence.tap for each in told(text).values()] == ["tap1i0", "tap2i0"]
    assert list(told(text)) == ["1.net0", "2.net0"]
    assert [each.evidence.tap for each in told("net0: virtio=BC:24:11:00:00:04,bridge=a\n").values()] == [
        None
    ]


def test_what_goes_past_proxmox_is_not_known() -> None:
    [verdict] = told(
        f"# qm config 1\nargs: -global virtio-net-pci.guest_tso4=off\n{QM.splitlines()[3]}\n"
    ).values()

    assert rungs(verdict)["configured"] == "unknown unknown"


@pytest.mark.parametrize(
    ("machine", "device"),
    [(QM, "tap104i0"), (nic_xml(), "vnet21"), (domain_xml(nic_xml(target="win-net")), "win-net")],
)
def test_what_its_tap_shows_is_told_of_the_machines_nic(machine: str, device: str) -> None:
    for word, verdict in (("off", "not-ready"), ("on", "unknown")):
        found = told(machine + FEATURES.replace("DEVICE", device).replace("WORD", word)).values()
        [nic] = [each for each in found if each.evidence.tap == device]

        assert nic.verdict == verdict
        assert rungs(nic)["configured"] == "pass pass"
        assert rungs(nic)["passed"] == ("fail fail" if word == "off" else "pass pass")


def test_a_device_that_is_no_tap_is_not_told_of_the_machine() -> None:
    found = told(nic_xml() + "Features for vnet21:\nhighdma: on\ntx-tcp-segmentation: off\n")

    assert list(found) == ["x.net0", "x.vnet21"]
    assert "vnet21 is no TAP" in found["x.vnet21"].notes[0]


def test_a_macvtap_is_no_tap_though_a_machine_has_it() -> None:
    xml = nic_xml(target="macvtap0").replace("type='bridge'", "type='direct'")
    found = told(xml + FEATURES.replace("DEVICE", "macvtap0").replace("WORD", "off"))

    assert causes(found.values()) == [("unknown", ""), ("unknown", "")]
    assert "whether macvtap0 is a TAP cannot be told" in found["x.macvtap0"].notes[0]


def test_two_moments_of_a_tap_are_not_told_of_the_machine() -> None:
    text = nic_xml() + FEATURES.replace("DEVICE", "vnet21") * 2

    assert list(told(text.replace("WORD", "off"))) == ["x.net0", "x.vnet21", "x.vnet21 (2)"]


def test_a_tap_that_virsh_lists_is_one_whatever_its_name() -> None:
    listed = " Interface   Type     Source   Model    MAC\n---------------------\n lan-of-a    bridge   br0      virtio   52:54:00:00:00:01\n"
    lines = FEATURES.replace("DEVICE", "lan-of-a").replace("WORD", "off")

    assert causes(told(listed + lines).values()) == [("not-ready", "tap-segmentation-off")]
    assert causes(told(listed.replace("virtio", "e1000 ") + lines).values()) == [("unknown", "")]


def test_what_the_kernel_says_of_large_segments_is_told() -> None:
    found = told(
        "[  140.9] ens3: bad gso: type: 1, size: 1432\n[  141.0] ens3: bad gso: type: 1, size: 1432\n"
    )

    assert causes(found.values()) == [("unknown", "")]
    [note] = found["x.ens3"].notes
    assert "run a newer kernel" in note
    assert "known issue 1131" in note


def test_the_kernel_that_was_pasted_beside_it_is_held_against_the_known_issues() -> None:
    uname = "Linux hv1 RELEASE #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux\n"
    tap = FEATURES.replace("DEVICE", "vnet21").replace("WORD", "on")

    for text, name in ((tap, "x.vnet21"), ("ens3: bad gso: type: 1, size: 1432\n", "x.ens3")):
        notes = {
            release: " ".join(told(text + uname.replace("RELEASE", release))[name].notes)
            for release in ("6.6.45", "6.6.46")
        }
        assert "known issue 1131 fits the pasted kernel 6.6.45" in notes["6.6.45"]
        assert "fits" not in notes["6.6.46"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "IPv4FailureReason\nEthernet 3 NDISCompatibility NDISCompa...\n",
            "`rscvm explain NDISCompatibility`",
        ),
        ("Get-NetAdapterRsc\nEthernet  True  NoFailure\n", "`Get-NetAdapterRsc | Format-List` can be read"),
        ("hello", "`virsh dumpxml`, `qm config` and `Get-NetAdapterRsc` can be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_helps(text: str, hint: str) -> None:
    with pytest.raises(RequestError) as raised:
        told(text)

    assert hint in raised.value.hint


def test_a_paste_of_very_many_nics_is_refused() -> None:
    with pytest.raises(RequestError, match="more than 2000 NICs"):
        told("Features for a:\ntx-tcp-segmentation: on\n" * 2001)


ALL = [*QM.splitlines(), *domain_xml(nic_xml()).splitlines(), *FEATURES.replace("DEVICE", "vnet21").replace("WORD", "on").splitlines(),
       "ens3: bad gso: type: 1, size: 1", "<interface", "</interface>"]  # fmt: skip


@given(st.lists(st.sampled_from(ALL) | st.text(max_size=20), max_size=60))
def test_no_paste_of_a_machine_makes_a_traceback_or_a_ready(lines: list[str]) -> None:
    try:
        found = told("\n".join(lines))
    except RequestError:
        return
    assert "ready" not in {each.verdict for each in found.values()}


@pytest.mark.parametrize("path", sorted((FIXTURES / "domains").rglob("*.xml")), ids=lambda path: path.stem)
def test_no_domain_is_ready_by_its_xml_alone(path: Path) -> None:
    found = told(path.read_text())

    assert found
    assert "ready" not in {each.verdict for each in found.values()}
