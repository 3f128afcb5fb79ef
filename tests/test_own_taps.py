"""Which device is a NIC's TAP: the one that its QEMU holds, or none that anybody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ethtool_features import FeaturesRead
from provision.facts.ip import Link
from provision.facts.processes import parse_processes
from provision.verbs.fix.repair import plan_repair
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import NicEvidence, Owner, Unasked
from provision.verify.judge.verdict import judge_nic
from tests.builders import features, nic
from tests.processes import NAMESPACES, proc_text

NETDEV = '{"type":"tap","fd":"8","id":"hostnet0"}'
ARGV = ("qemu", "-name", "guest=vm,debug-threads=on", "-uuid", "u-1", "-netdev", NETDEV)
OWNER = Owner(domain="vm", uuid="u-1")
PIDFILE = {"/run/libvirt/qemu/vm.pid": "42"}
ON = features("negotiated-by-linux")
OFF = features("host-tso-off")
TAP = Link(
    "tap0",
    "tun",
    "",
    up=True,
    mtu=1500,
    master="",
    tap=True,
    carrier=True,
    index=7,
    address="fe:54:00:12:34:56",
)


def read(text: str, **devices: Any) -> TapsRead:
    links = {name: replace(TAP, name=name) for name in devices}
    return TapsRead(FeaturesRead(devices), links, 1.0, parse_processes(text))


def told(text: str, evidence: NicEvidence | None = None, **devices: Any) -> NicEvidence:
    evidence = evidence or nic(owner=OWNER, netdev="hostnet0", shown="")
    return with_tap(evidence, read(text, **(devices or {"tap0": ON})))


def reason(evidence: NicEvidence) -> str:
    assert isinstance(evidence.features, Unasked)
    assert judge_nic(evidence).verdict != "ready"
    return evidence.features.reason


def test_the_tap_is_the_one_that_the_descriptor_says_whatever_libvirts_xml_calls_it() -> None:
    """Somebody has renamed it, and given its name to another device."""
    text = proc_text({42: ARGV}, taps={42: "renamed"}, files=PIDFILE)

    found = told(text, tap0=ON, renamed=OFF)

    assert (found.tap, found.shown, found.features, found.pid) == ("renamed", "descriptor", OFF, 42)
    assert judge_nic(found).verdict == "not-ready"


def test_a_tap_of_that_name_which_qemu_does_not_hold_is_nobodys() -> None:
    text = proc_text({42: ("qemu", "-name", "vm")}, taps={42: "other"}, files=PIDFILE)

    assert "holds is this NIC's; it holds other" in reason(told(text))


def test_a_machine_whose_qemu_is_not_here_is_unknown() -> None:
    assert reason(told(proc_text({}))) == "its QEMU is not seen on this host"


def test_a_liar_of_that_name_and_uuid_is_not_taken_for_libvirts() -> None:
    both = {42: ARGV, 43: ARGV}
    taps = {42: "tap0", 43: "liars"}

    assert told(proc_text(both, taps=taps, files=PIDFILE), tap0=ON, liars=OFF).pid == 42
    assert reason(told(proc_text(both, taps=taps))) == "more than one QEMU says to be this machine's"
    assert reason(told(proc_text(both, taps=taps, files=PIDFILE, exe="/usr/bin/python3"))) != ""


def test_a_pid_that_is_another_process_by_now_is_not_followed() -> None:
    owner = Owner(42, started=99)

    assert (
        reason(told(proc_text({42: ARGV}, taps={42: "tap0"}), nic(owner=owner)))
        == "its QEMU is not seen on this host"
    )
    assert (
        told(
            proc_text({42: ARGV}, taps={42: "tap0"}),
            nic(owner=replace(owner, started=100), netdev="hostnet0"),
        ).pid
        == 42
    )


def test_a_machine_in_another_network_is_judged_by_its_device_there() -> None:
    """Both networks have a tap0."""
    other = "net:[9]"
    tun = {"info_kind": "tun", "info_data": {"type": "tap", "vnet_hdr": True}}
    there = [{"ifname": "tap0", "flags": ["UP", "LOWER_UP"], "mtu": 1500, "linkinfo": tun}]
    off = json.loads(
        json.dumps(
            [
                {"ifname": "tap0"}
                | {
                    name: {"active": f.active, "fixed": f.fixed, "requested": f.requested}
                    for name, f in OFF.items()
                }
            ]
        )
    )
    files = PIDFILE | {f"{other} links": json.dumps(there), f"{other} features": json.dumps(off)}
    text = proc_text({42: ARGV}, taps={42: "tap0"}, files=files, namespaces={**NAMESPACES, "net": other})

    found = told(text)

    assert (found.network, found.features) == (other, OFF)
    verdict = judge_nic(found)
    assert verdict.verdict == "not-ready"
    assert not plan_repair(verdict, None).command
    assert "nsenter --net=/proc/42/ns/net" in plan_repair(verdict, None).told[0]


@pytest.mark.parametrize(
    ("argv", "netdev", "expected"),
    [
        (("-netdev", "tap,id=a,fds=8:9", "-netdev", "tap,id=b,fd=10"), "a", "t0"),
        (("-netdev", "tap,id=a,fds=8:9", "-netdev", "tap,id=b,fd=10"), "b", "t1"),
        (("-netdev", "tap,id=a,ifname=t0", "-netdev", "bridge,id=b,br=br0"), "b", "t1"),
        (("-netdev", "bridge,id=a,br=br0", "-netdev", "bridge,id=b,br=br0"), "b", None),
        (("-netdev", "tap,id=a,ifname=gone"), "a", None),
    ],
)
def test_each_netdev_has_its_own(argv: tuple[str, ...], netdev: str, expected: str | None) -> None:
    held = [("fdinfo/8", "iff:\tt0\n"), ("fdinfo/9", "iff:\tt0\n"), ("fdinfo/10", "iff:\tt1\n")]
    text = proc_text({42: ("qemu", *argv)}, more=held)

    found = told(text, nic(owner=Owner(42), netdev=netdev, tap=None), t0=ON, t1=ON)

    assert found.tap == expected


def test_a_macvtap_is_known_by_its_index() -> None:
    text = proc_text({42: ARGV}, more=[("fd/8", "/dev/tap7")], files=PIDFILE)
    host, asked = read(text, tap0=ON), nic(owner=OWNER, netdev="hostnet0", shown="")
    macvtap = replace(TAP, kind="macvtap", tap=False)

    assert with_tap(asked, replace(host, links={"tap0": macvtap})).tap == "tap0"
    another = with_tap(asked, replace(host, links={"tap0": replace(macvtap, kind="veth")}))
    assert "is no TAP" in reason(another), "what has that index here is something else"


def as_a_user(text: str, **changes: Any) -> NicEvidence:
    there = read(text, tap0=ON)
    assert there.qemus is not None
    assert there.qemus.reader is not None
    mine = replace(there, qemus=replace(there.qemus, reader=replace(there.qemus.reader, uid=1000)))
    links = {"tap0": replace(TAP, **changes)}
    return with_tap(nic(owner=OWNER, netdev="hostnet0", shown=""), replace(mine, links=links))


def test_without_root_the_name_counts_where_the_device_bears_the_guests_address_and_nothing_is_changed() -> (
    None
):
    found = as_a_user(proc_text({}))

    assert found.shown == "name"
    rungs = {rung.name: rung for rung in judge_nic(found).ladder}
    assert "sudo" in rungs["passed"].seen
    off = replace(found, features=OFF)
    assert not plan_repair(judge_nic(off), None).command
    assert "as root (sudo)" in plan_repair(judge_nic(off), None).told[0]


@pytest.mark.parametrize("address", ["fe:54:00:99:99:99", "52:54:00:12:34:56", ""])
def test_without_root_a_device_of_that_name_alone_is_nobodys(address: str) -> None:
    assert reason(as_a_user(proc_text({}), address=address)) == "only root sees which TAP QEMU holds (sudo)"


def test_without_root_our_mark_counts_for_its_machine() -> None:
    assert as_a_user(proc_text({}), address="", alias="rscvm lab vm net0 0123456789ab").shown == "name"
    assert as_a_user(proc_text({}), address="", alias="rscvm lab other net0 0123456789ab").shown == ""


def by_monitor(told_of_it: str, **taps: str) -> NicEvidence:
    """A machine that was started on `tap0`, and whose netdev the monitor tells so now."""
    argv = ("qemu", "-netdev", "tap,id=n,ifname=tap0", "-netdev", "tap,id=m,ifname=tap1")
    held = [(f"fdinfo/{fd.removeprefix('fd')}", f"iff:\t{tap}\n") for fd, tap in taps.items()]
    asked = nic(owner=Owner(42), netdev="n", tap="tap0", told=told_of_it)
    return with_tap(asked, read(proc_text({42: argv}, more=held), tap0=ON, tap1=OFF))


def test_what_the_monitor_tells_counts_before_what_the_machine_was_started_with() -> None:
    """Netdevs were plugged out, and others in under their ids."""
    both = {"fd8": "tap0", "fd9": "tap1"}

    assert by_monitor("ifname=tap1,script=no", **both).tap == "tap1"
    assert by_monitor("fd=9", **both).tap == "tap1"
    assert by_monitor("ifname=renamed", **both).tap is None
    assert by_monitor("ifname=renamed", fd8="tap0").tap == "tap0", "the only one that it holds"


def test_a_stranger_who_holds_a_tap_of_that_name_leaves_it_unknown() -> None:
    """Somebody has moved the QEMU's own elsewhere; the stranger is no QEMU, of which nothing else is read."""
    stranger = [("/proc/77/fdinfo/4", "iff:\ttap0\n"), ("/proc/77/ns/net", NAMESPACES["net"])]
    text = proc_text({42: ARGV}, taps={42: "tap0"}, files={**PIDFILE, **dict(stranger)})
    elsewhere = text_with([*stranger[:1], ("/proc/77/ns/net", "net:[9]")])

    assert "42, 77 each hold a TAP tap0" in reason(told(text))
    assert told(elsewhere).tap == "tap0"


def text_with(more: list[tuple[str, str]]) -> str:
    return proc_text({42: ARGV}, taps={42: "tap0"}, files={**PIDFILE, **dict(more)})


def test_where_a_tap_was_renamed_no_other_name_is_believed() -> None:
    argv = ("qemu", "-netdev", "tap,id=a,ifname=t0", "-netdev", "tap,id=b,ifname=t1")
    text = proc_text({42: argv}, more=[("fdinfo/8", "iff:\tt1\n"), ("fdinfo/9", "iff:\tmoved\n")])

    assert told(text, nic(owner=Owner(42), netdev="b"), t1=ON, moved=ON).tap is None


def test_two_that_hold_one_name_are_both_unknown_and_so_is_one_that_nobody_holds() -> None:
    """A TAP may be in another network than its QEMU, which fdinfo does not tell."""
    text = proc_text({42: ARGV, 43: ("qemu",)}, taps={42: "tap0", 43: "tap0"}, files=PIDFILE)
    assert "42, 43 each hold a TAP tap0" in reason(told(text))

    alone = read(proc_text({42: ARGV}, taps={42: "tap0"}, files=PIDFILE), tap0=ON)
    nobodys = replace(alone, links={"tap0": replace(TAP, carrier=False)})
    assert "tap0 of that network has no carrier" in reason(
        with_tap(nic(owner=OWNER, netdev="hostnet0"), nobodys)
    )


def test_a_network_that_could_not_be_read_is_not_taken_for_ours() -> None:
    text = proc_text(
        {42: ARGV}, taps={42: "tap0"}, files=PIDFILE, namespaces={**NAMESPACES, "net": "net:[9]"}
    )

    assert judge_nic(told(text)).verdict == "unknown"


DEVICE = '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","guest_tso4":%s}'


@pytest.mark.parametrize(
    ("tso", "tap", "verdict"),
    [("false", ON, ("not-ready", "guest-offloads-off")), ("true", OFF, ("not-ready", "tap-segmentation-off")), ("true", ON, ("unknown", None))],
)  # fmt: skip
def test_a_machine_whose_monitor_is_silent_is_judged_by_its_arguments_and_its_tap(
    tso: str, tap: Any, verdict: tuple[str, str | None]
) -> None:
    """Never ready: libvirt alone holds that monitor, so a QEMU that does not answer may pass on nothing."""
    silent = Unasked("vm's monitor did not answer within 5 s")
    asked = nic(owner=OWNER, netdev="hostnet0", shown="", path="/machine/peripheral/net0", properties=silent)
    text = proc_text({42: (*ARGV, "-device", DEVICE % tso)}, taps={42: "tap0"}, files=PIDFILE)

    there = read(text, tap0=tap)
    there = replace(there, links={"tap0": replace(TAP, vnet_hdr=True)})
    found = with_tap(replace(asked, virtio=silent), there)
    judged = judge_nic(found)

    assert (judged.verdict, judged.finding.cause and judged.finding.cause.id) == verdict
    assert isinstance(found.virtio, Unasked)
    assert found.virtio.reason == f"{silent.reason}; judged by its arguments and its TAP"
