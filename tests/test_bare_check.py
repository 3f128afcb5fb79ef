"""`check` without LAB, --connect or --qmp: all that runs on hosts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from provision.runtime.errors import HostError
from provision.runtime.places import ANYBODY, Listener
from provision.runtime.protocols import Domain
from provision.verify.collect.every_qemu import collect_at, collect_every
from provision.verify.evidence import Owner, Unasked
from provision.verify.judge.verdict import judge_nic
from tests.builders import FakeEdges, FakeLibvirt, FakeMonitor
from tests.cases import Walked
from tests.processes import NAMESPACES, proc_text

NIC = ("-netdev", "tap,id=n,ifname=t0", "-device", "virtio-net-pci,netdev=n,id=nic,mac=52:54:00:00:00:01")
QMP = ("-qmp", "unix:/run/vm.qmp,server=on,wait=off")
HERE = f"{NAMESPACES['net']} listening"
LISTENS = "unix 00000000933076e9: 00000002 00000000 00010000 0001 01 4711 /run/vm.qmp\n"
HELD = LISTENS + "unix 00000000933076e8: 00000003 00000000 00000000 0001 03 4713 /run/vm.qmp\n"
OWN = [("fd/9", "socket:[4711]"), ("fd/10", "socket:[4713]")]
TCP = "tcp    1: {at}:115C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100 0 0 10 0\n"


@dataclass
class Silent(FakeEdges):
    """Whoever connects to its monitors is not greeted, and its libvirt does not answer."""

    peer: int | None = None

    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Any:  # noqa: ARG002
        error = HostError(f"the monitor at {socket} of {listener.pid}, {listener.uid} is somebody else's")
        return nullcontext(FakeMonitor({"query-name": error}, self.peer))


def found(text: str, *names: str, daemon: FakeLibvirt | None = None, monitor: bool = True) -> list[Any]:
    edges = Silent(Walked(text=text), daemon or FakeLibvirt())
    return collect_every(edges, "local", names, monitor=monitor)


def reason(nic: Any) -> str:
    assert isinstance(nic.virtio, Unasked)
    return nic.virtio.reason


def test_a_machine_whose_monitor_is_held_is_judged_by_its_arguments() -> None:
    text = proc_text({42: ("qemu", *QMP, *NIC)}, more=OWN, files={HERE: HELD})

    [nic] = found(text)

    assert (nic.machine, nic.nic, nic.mac, nic.tap, nic.kind) == (
        "42",
        "nic",
        "52:54:00:00:00:01",
        "t0",
        "ethernet",
    )
    assert nic.owner == Owner(42, started=100, uid=0)
    assert nic.properties["guest_tso4"] is True
    assert "/run/vm.qmp of 42, 0 is somebody else's; judged by its arguments and its TAP" in reason(nic)


@pytest.mark.parametrize(
    ("argv", "more", "why"),
    [
        ((), {}, "no QMP monitor that listens at a path or on TCP"),
        (("-monitor", "unix:/run/vm.hmp,server=on"), {}, "HMP"),
        (("-qmp", "tcp:127.0.0.1:4444,server=on"), {}, "port 4444 of the loopback address is not this"),
        (
            ("-qmp", "tcp:127.0.0.1:4444,server=on"),
            {"namespaces": {**NAMESPACES, "net": "net:[9]"}},
            "TCP in another network namespace",
        ),
        (("-qmp", "unix:vm.qmp,server=on"), {}, "relative"),
        (QMP, {}, "is not this process's own socket"),
        (QMP, {"more": [("fd/9", "socket:[4712]")]}, "is not this process's own socket"),
        (
            QMP,
            {"more": [("fd/9", "socket:[4711]")], "namespaces": {**NAMESPACES, "mnt": "mnt:[9]"}},
            "mount namespace",
        ),
        (("-chardev", "socket,id=c,path=/run/vm.qmp,server=on", "-mon", "chardev=c"), {}, "HMP"),
        (("-qmp-pretty", "unix:/run/vm.qmp,server"), {}, "over several lines"),
        (
            ("-chardev", "socket,id=c,path=vm,abstract=on,server=on", "-mon", "chardev=c,mode=control"),
            {},
            "abstract",
        ),
        (("-qmp", "unix:/run/vm.qmp,reconnect=1"), {}, "a client's"),
        (("-qmp", "telnet:127.0.0.1:4444,server=on"), {}, "telnet"),
    ],
)
def test_no_other_monitor_is_connected_to(argv: tuple[str, ...], more: dict[str, Any], why: str) -> None:
    [nic] = found(proc_text({42: ("qemu", *argv, *NIC)}, files={HERE: LISTENS}, **more))

    assert why in reason(nic)


def test_a_qemu_that_is_silent_though_nobody_holds_its_monitor_is_not_judged_by_its_tap() -> None:
    """It hangs, or is frozen by its cgroup, which its process's state does not show."""
    text = proc_text({42: ("qemu", *QMP, *NIC)}, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS})

    [nic] = found(text)

    assert "nobody else holds that monitor: QEMU itself is silent" in reason(nic)
    assert not nic.virtio.chosen


@pytest.mark.parametrize(
    ("argv", "taps", "why"),
    [
        (NIC, [("fdinfo/8", "iff:\tt0\n"), ("fdinfo/9", "iff:\thot0\n")], "it holds hot0, of which"),
        (("-readconfig", "/etc/more.cfg"), [("fdinfo/8", "iff:\tt0\n")], "it holds t0, of which"),
        (
            ("-readconfig", "/etc/more.cfg", *NIC),
            [("fdinfo/8", "iff:\tt0\n")],
            "its -readconfig may have NICs",
        ),
    ],
)
def test_a_nic_that_the_arguments_do_not_have_is_not_passed_over(
    argv: tuple[str, ...], taps: list[tuple[str, str]], why: str
) -> None:
    last = found(proc_text({42: ("qemu", *argv)}, more=taps))[-1]

    assert (last.nic, last.owner.pid) == ("unknown", 42)
    assert why in reason(last)
    assert judge_nic(last).verdict == "unknown"


def test_what_set_says_of_a_device_and_its_netdev_counts() -> None:
    said = ("-set", "device.nic.guest_tso4=off", "-set", "netdev.n.ifname=moved")

    [nic] = found(proc_text({42: ("qemu", *NIC, *said)}))

    assert (nic.tap, nic.properties["guest_tso4"]) == ("moved", False)


def test_offloads_that_the_arguments_have_off_are_off() -> None:
    off = ("-global", "virtio-net-pci.guest_tso6=off", *NIC[:3], NIC[3] + ",guest_tso4=off")

    [nic] = found(proc_text({42: ("qemu", *off)}))

    assert {name for name, on in nic.properties.items() if not on} == {
        "guest_tso4",
        "guest_tso6",
        "guest_rsc_ext",
    }


def test_several_of_one_name_are_told_apart_and_one_can_be_asked_for() -> None:
    argv = ("qemu", "-name", "guest=twin,debug-threads=on", *NIC)
    text = proc_text({42: argv, 43: argv, 44: ("qemu", "-name", "a\x1b[31mb", *NIC)})

    assert [nic.machine for nic in found(text)] == ["twin (42)", "twin (43)", "a\\x1b[31mb"]
    assert [nic.owner.pid for nic in found(text, "twin (43)")] == [43]


def test_a_process_that_is_no_qemu_is_none() -> None:
    assert found(proc_text({42: ("qemu", *NIC)}, exe="/usr/bin/python3.11")) == []


class OneOfIts(FakeLibvirt):
    """Has the domain `vm`."""

    def domains(self, names: Any) -> list[Domain]:
        assert names == ["vm"]
        xml = "<domain><name>vm</name><devices><interface type='bridge'><target dev='t0'/><model type='virtio'/></interface></devices></domain>"
        return [Domain("vm", "running", xml, "")]


def test_libvirts_own_are_asked_of_libvirt_and_no_liar_is() -> None:
    argv = ("qemu", "-name", "guest=vm,debug-threads=on", *NIC)
    text = proc_text({42: argv, 43: argv}, files={"/run/libvirt/qemu/vm.pid": "42"})

    first, second = found(text, daemon=OneOfIts(), monitor=False)

    assert (first.machine, first.kind, first.owner.pid) == ("vm (42)", "bridge", 42)
    assert (second.machine, second.kind, second.owner.pid) == ("vm (43)", "ethernet", 43)


def test_a_qemu_that_is_stopped_is_not_judged_by_its_tap() -> None:
    text = proc_text(
        {42: ("qemu", *QMP, *NIC)}, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS}, state="T"
    )

    [nic] = found(text)

    assert not nic.virtio.chosen
    assert "its process is stopped" in reason(nic)


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ("0100007F", "tcp:127.0.0.1:4444"),
        ("00000000", "tcp:127.0.0.1:4444"),
        ("0" * 24 + "01000000", "tcp:[::1]:4444"),
        ("0" * 32, "tcp:127.0.0.1:4444"),
        ("0101A8C0", ""),
    ],
)
def test_a_monitor_on_tcp_is_asked_on_loopback_where_it_alone_listens(at: str, place: str) -> None:
    argv = ("qemu", "-qmp", "tcp::4444,server=on", *NIC)
    own, another = (TCP.format(at=at, inode=inode) for inode in (4711, 4712))

    [nic] = found(proc_text({42: argv}, more=[("fd/9", "socket:[4711]")], files={HERE: own}))
    [doubtful] = found(proc_text({42: argv}, more=[("fd/9", "socket:[4711]")], files={HERE: own + another}))

    assert (f"{place} of 42, 0 is somebody else's" if place else "is not this process's own") in reason(nic)
    assert "is not this process's own" in reason(doubtful)


def at_socket(text: str, peer: int | None = None) -> list[Any]:
    return collect_at(Silent(Walked(text=text), peer=peer), "local", "/run/vm.qmp")


def test_one_qemu_whose_monitor_is_held_is_judged_by_its_arguments_and_no_other_is() -> None:
    holds = proc_text({42: ("qemu", *QMP, *NIC)}, more=OWN, files={HERE: HELD})
    [nic] = at_socket(holds)

    assert (nic.machine, nic.owner) == ("42", Owner(42, started=100, uid=0))
    assert "somebody else's; judged by its arguments" in reason(nic)
    with pytest.raises(HostError, match="somebody else's"):
        at_socket(proc_text({42: ("qemu", *NIC)}, files={HERE: LISTENS}))


def test_the_process_that_the_kernel_says_listens_is_the_machine_whatever_its_path_is_called() -> None:
    text = proc_text({42: ("qemu", *NIC), 43: ("qemu", *NIC)})

    [nic] = at_socket(text, peer=43)

    assert nic.owner == Owner(43, started=100, uid=0)


def test_another_users_monitor_is_asked_only_by_a_socket_that_is_that_users() -> None:
    """Whoever owns a process may put anything in the place of its socket, but nothing that is not theirs."""
    text = proc_text(
        {42: ("qemu", *QMP, *NIC)}, uid=1000, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS}
    )

    [nic] = found(text)

    assert "/run/vm.qmp of 42, 1000 is" in reason(nic)


def test_a_line_that_somebody_forged_hides_no_monitor() -> None:
    forged = f"{HELD}unix 0: 1 0 00010000 0001 01 7 /run/vm.qmp\n"
    text = proc_text({42: ("qemu", *QMP, *NIC)}, more=OWN, files={HERE: forged})

    assert "somebody else's; judged" in reason(found(text)[0])


def test_arguments_without_measure_cost_nobody_else_the_check() -> None:
    long = "1" * 5000
    argv = (
        "qemu",
        "-qmp",
        f"tcp:h:{long}",
        "-chardev",
        f"socket,id=c,port={long}",
        "-mon",
        "chardev=c,mode=control",
    )
    many = [word for _ in range(2000) for word in ("-device", "e1000,netdev=n", "-global", "a.b=c")]

    nics = found(proc_text({42: (*argv, "-netdev", f"tap,id=n,fd={long}", *many), 43: ("qemu", *NIC)}))

    assert [sum(nic.owner.pid == pid for nic in nics) for pid in (42, 43)] == [257, 1]
    assert "more than 256 NICs" in reason(nics[256])
    assert not nics[256].virtio.chosen
