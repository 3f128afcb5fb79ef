"""Whose a process is, by what the kernel says of it."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from provision.facts.processes import Process, parse_processes
from provision.host.read.processes import ENGINES, SCRIPTS, our_machines
from provision.lab.paths import LabPaths
from provision.runtime.command import Result
from tests.processes import NAMESPACES, proc_text

PATHS = LabPaths("/var/lib/rscvm", "lab")
PIDFILE, NOTE = PATHS.pidfile("vm"), PATHS.started("vm")
ARGV = ("qemu-system-x86_64", "-name", "vm", "-pidfile", PIDFILE, "-daemonize")


def ours(text: str) -> dict[str, Process]:
    return our_machines(parse_processes(text), PATHS, ["vm"])


def with_note(text: str, note: str) -> str:
    return base64.b64encode(base64.b64decode(text) + f"{NOTE}\0{note}\n\0".encode()).decode()


def test_what_the_kernel_says_of_a_process_is_read() -> None:
    more = [
        ("fd/7", "socket:[4711]"),
        ("fd/9", "/dev/tap12"),
        ("fdinfo/8", "pos:\t0\nflags:\t0104002\nmnt_id:\t21\niff:\ttap0\n"),
        ("fdinfo/3", "pos:\t0\nflags:\t0104002\n"),
    ]

    [process] = parse_processes(proc_text({42: ARGV}, more=more)).found

    assert process == Process(
        42,
        ARGV,
        "/usr/bin/qemu-system-x86_64",
        0,
        100,
        NAMESPACES,
        {8: "tap0", 9: "ifindex 12"},
        frozenset({4711}),
    )


@pytest.mark.parametrize("name", ["a) S 1 (b", "x\ny", ")", ""])
def test_a_name_with_brackets_or_line_breaks_hides_no_start_time(name: str) -> None:
    [process] = parse_processes(proc_text({42: ARGV}, name=name)).found

    assert process.started == 100


def test_an_argument_may_hold_anything() -> None:
    argv = (*ARGV, "", "a\tb\nc", "/proc/1/exe")

    [process] = parse_processes(proc_text({42: argv})).found

    assert process.argv == argv


def test_a_process_that_became_another_while_it_was_read_is_left_out() -> None:
    assert not parse_processes(proc_text({42: ARGV}, stats=(100, 101))).found


def test_a_process_that_ended_while_it_was_read_is_left_out() -> None:
    assert not parse_processes(proc_text({42: ()})).found


@pytest.mark.parametrize(
    "exe",
    [
        "/usr/bin/qemu-system-x86_64",
        "/usr/bin/qemu-system-x86_64 (deleted)",
        "/usr/libexec/qemu-kvm",
        "/nix/store/x-qemu-9.0/bin/.qemu-system-x86_64-wrapped",
        "/usr/bin/kvm",
    ],
)
def test_a_qemu_is_what_its_executable_is(exe: str) -> None:
    assert list(ours(proc_text({42: ARGV}, exe=exe))) == [PIDFILE]


@pytest.mark.parametrize(
    "exe",
    [
        "/usr/bin/python3.11",
        "/srv/qemu-system-x86_64/sh",
        "/usr/bin/qemu-img",
        "/usr/bin/qemu-ga",
        "/usr/bin/grep",
        "/usr/bin/qemu-storage-daemon",
    ],
)
def test_what_only_says_to_be_a_machine_is_none(exe: str) -> None:
    assert not ours(proc_text({42: ARGV}, exe=exe))


def test_another_users_qemu_is_not_ours() -> None:
    assert not ours(proc_text({42: ARGV}, uid=1000))
    assert not ours(with_note(proc_text({42: ARGV}, uid=1000), "42 100"))


@pytest.mark.parametrize("name", ["mnt", "net", "pid"])
def test_a_qemu_in_a_namespace_of_its_own_is_ours_only_if_it_was_noted(name: str) -> None:
    text = proc_text({42: ARGV}, namespaces={**NAMESPACES, name: f"{name}:[9]"})

    assert not ours(text)
    assert ours(with_note(text, "42 100"))


@pytest.mark.parametrize("note", ["42 99", "41 100", "42", "nonsense"])
def test_a_process_that_is_not_the_one_that_was_noted_is_not_ours(note: str) -> None:
    assert not ours(with_note(proc_text({42: ARGV}), note))


def test_what_we_may_not_see_of_roots_process_is_taken_for_right_and_of_others_not() -> None:
    assert ours(proc_text({42: ARGV}, exe="", namespaces={}))
    assert not ours(proc_text({42: ARGV}, exe="", namespaces={}, uid=1000))


def test_a_liar_beside_the_machine_does_not_hide_it() -> None:
    text = with_note(proc_text({42: ARGV, 43: ARGV}), "42 100")

    assert ours(text)[PIDFILE].pid == 42


def test_only_machines_that_were_asked_about_are_told() -> None:
    other = ("qemu", "-pidfile", PATHS.pidfile("other"))

    assert not ours(proc_text({42: other}))


def test_what_0_1_0_read_is_believed_as_it_believed_it() -> None:
    found = parse_processes("42\tcWVtdQAtcGlkZmlsZQAvcnVuL2EgYi5waWQA\n43\tZ3JlcAAtcGlkZmlsZQA=\n")

    assert found.reader is None
    assert [(each.pid, each.pidfile) for each in found.found] == [(42, "/run/a b.pid"), (43, "")]
    assert found.found[0].argv == ("qemu", "-pidfile", "/run/a b.pid")


ENGINE = (
    "qemu",
    "-name",
    "guest=dut,debug-threads=on",
    "-device",
    '{"driver":"virtio-net-pci","guest_rsc_ext":true}',
)
TAP = [("fdinfo/8", "iff:\ttap0\n")]


def engines(argv: tuple[str, ...] = ENGINE, **more: Any) -> Mapping[str, str]:
    said = Result("hv", (), 0, proc_text({42: argv}, more=TAP, **more), "")
    return ENGINES.parse(said)


def test_an_engine_is_known_by_its_argument_and_its_tap_by_its_descriptor() -> None:
    assert engines() == {"tap0": "dut (process 42)"}
    assert engines(("qemu", "-name", "a,,b", "-device", "virtio-net-pci,guest_rsc_ext=on")) == {
        "tap0": "a,b (process 42)"
    }


def test_what_is_no_engine_here_is_none() -> None:
    assert not engines(("qemu", "-device", "virtio-net-pci,guest_rsc_ext=off"))
    assert not engines(exe="/usr/bin/python3.11")
    assert not engines(namespaces={**NAMESPACES, "net": "net:[9]"})


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_where_others_processes_are_hidden_that_is_said(script: str) -> None:
    """As with hidepid=2; a shell ends at once where a redirection of one of its special commands fails."""
    hidden = script.replace("/proc/1/", "/proc/0/")

    done = subprocess.run(["sh", "-c", hidden, "sh", ""], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "others' processes cannot be seen\n")


@pytest.mark.parametrize(
    ("words", "machine"),
    [
        (("-name", "vm"), "vm"),
        (("--name", "guest=a,,b,debug-threads=on"), "a,b"),
        (("-name", "process=qemu-vm"), ""),
        (("-name", "debug-threads=on", "-name", "vm"), "vm"),
        (("-name",), ""),
        ((), ""),
    ],
)
def test_a_machine_is_called_as_qemu_itself_would_call_it(words: tuple[str, ...], machine: str) -> None:
    assert Process(42, ("qemu", *words)).machine == machine


def test_the_default_routes_in_use_are_those_of_the_least_metric_of_a_family() -> None:
    rows = "default4 eno1 100\ndefault4 eno3 600\ndefault6 eno2 00000400\ndefault6 eno1 00000800\nroute br0 0\nroute \n"
    text = proc_text({}, files={f"{NAMESPACES['net']} routes": rows})

    network = parse_processes(text).networks[NAMESPACES["net"]]

    assert network.uplinks == ("eno1", "eno2")
    assert network.routed == {"eno1", "eno2", "eno3", "br0"}
