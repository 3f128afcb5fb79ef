"""`check` without LAB, --connect or --qmp: all that runs on hosts."""

from __future__ import annotations

from typing import Any

import pytest

from provision.host.read.processes import LISTENING
from provision.runtime.command import Result
from provision.runtime.errors import HostError
from provision.runtime.protocols import Domain
from provision.verify.collect.every_qemu import collect_at, collect_every
from provision.verify.evidence import Owner, Unasked
from tests.builders import FakeEdges, FakeHost, FakeLibvirt
from tests.processes import NAMESPACES, proc_text

NIC = ("-netdev", "tap,id=n,ifname=t0", "-device", "virtio-net-pci,netdev=n,id=nic,mac=52:54:00:00:00:01")
QMP = ("-qmp", "unix:/run/vm.qmp,server=on,wait=off")
HERE = f"{NAMESPACES['net']} unix"
LISTENS = "00000000933076e9: 00000002 00000000 00010000 0001 01 4711 /run/vm.qmp\n"


class Walked(FakeHost):
    """Stands for a host whose QEMUs are these."""

    text = ""

    def run(self, argv: Any, *, stdin: str = "", timeout: float = 60) -> Result:
        if tuple(argv) == LISTENING.run.argv:
            return Result(self.name, tuple(argv), 0, self.text, "")
        return super().run(argv, stdin=stdin, timeout=timeout)


class Silent(FakeEdges):
    """Its monitors answer nobody, and its libvirt neither."""

    def monitor(self, host: str, socket: str) -> Any:  # noqa: ARG002
        raise HostError(f"the monitor at {socket} is somebody else's")


def found(text: str, *names: str, daemon: FakeLibvirt | None = None, monitor: bool = True) -> list[Any]:
    host = Walked()
    host.text = text
    edges = Silent(host, daemon or FakeLibvirt())
    return collect_every(edges, "local", names, monitor=monitor)


def reason(nic: Any) -> str:
    assert isinstance(nic.virtio, Unasked)
    return nic.virtio.reason


def test_a_machine_whose_monitor_is_held_is_judged_by_its_arguments() -> None:
    text = proc_text({42: ("qemu", *QMP, *NIC)}, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS})

    [nic] = found(text)

    assert (nic.machine, nic.nic, nic.mac, nic.tap, nic.kind) == (
        "42",
        "nic",
        "52:54:00:00:00:01",
        "t0",
        "ethernet",
    )
    assert nic.owner == Owner(42, started=100)
    assert nic.properties["guest_tso4"] is True
    assert "is somebody else's; judged by its arguments and its TAP" in reason(nic)


@pytest.mark.parametrize(
    ("argv", "more", "why"),
    [
        ((), {}, "no QMP monitor that listens at a path"),
        (("-monitor", "unix:/run/vm.hmp,server=on"), {}, "HMP"),
        (("-qmp", "tcp:127.0.0.1:4444,server=on"), {}, "TCP"),
        (("-qmp", "unix:vm.qmp,server=on"), {}, "relative"),
        (QMP, {}, "is not this process's own socket"),
        (QMP, {"more": [("fd/9", "socket:[4712]")]}, "is not this process's own socket"),
        (
            QMP,
            {"more": [("fd/9", "socket:[4711]")], "namespaces": {**NAMESPACES, "mnt": "mnt:[9]"}},
            "mount namespace",
        ),
        (("-chardev", "socket,id=c,path=/run/vm.qmp,server=on", "-mon", "chardev=c"), {}, "HMP"),
    ],
)
def test_no_other_monitor_is_connected_to(argv: tuple[str, ...], more: dict[str, Any], why: str) -> None:
    [nic] = found(proc_text({42: ("qemu", *argv, *NIC)}, files={HERE: LISTENS}, **more))

    assert why in reason(nic)


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


def at_socket(text: str) -> list[Any]:
    host = Walked()
    host.text = text
    return collect_at(Silent(host), "local", "/run/vm.qmp")


def test_one_qemu_whose_monitor_is_held_is_judged_by_its_arguments_and_no_other_is() -> None:
    holds = proc_text({42: ("qemu", *NIC)}, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS})
    [nic] = at_socket(holds)

    assert (nic.machine, nic.owner) == ("42", Owner(42, started=100))
    assert "somebody else's; judged by its arguments" in reason(nic)
    with pytest.raises(HostError, match="somebody else's"):
        at_socket(proc_text({42: ("qemu", *NIC)}, files={HERE: LISTENS}))


def test_nobody_elses_monitor_is_asked_by_root() -> None:
    """Whoever owns a process may put anything in the place of its socket."""
    text = proc_text(
        {42: ("qemu", *QMP, *NIC)}, uid=1000, more=[("fd/9", "socket:[4711]")], files={HERE: LISTENS}
    )

    [nic] = found(text)

    assert "its user might lead us anywhere" in reason(nic)


def test_a_line_that_somebody_forged_hides_no_monitor() -> None:
    forged = f"{LISTENS}0: 1 0 00010000 0001 01 7 /run/vm.qmp\n"
    text = proc_text({42: ("qemu", *QMP, *NIC)}, more=[("fd/9", "socket:[4711]")], files={HERE: forged})

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

    assert [sum(nic.owner.pid == pid for nic in nics) for pid in (42, 43)] == [256, 1]
