"""The TPM of a bare QEMU: its swtpm is started before, noted, ended and kept apart from its state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from provision.cli import rscvm
from provision.facts.processes import Process
from provision.host.journal import Journal, parse_journal
from provision.host.plan import commands
from provision.host.plan.down import plan_down
from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.lab.paths import LabPaths
from provision.render.machine import tpm_argv
from provision.runtime.command import Run
from provision.runtime.errors import RequestError
from provision.verbs.script import machine_script
from tests.builders import lab_of, one_vm
from tests.hosts import EMPTY, PID, lacking, runs

LAB = one_vm(**{"memory: ": "tpm: true\n    memory: "})
PATHS = LabPaths(LAB.state_dir, LAB.name)
PIDFILE, STATE = PATHS.tpm_pidfile("vm"), PATHS.tpm_state("vm")


def kinds(actions: list[Run]) -> list[str]:
    """What each of these commands is, and of which pidfile."""
    names = {script: name for name, script in commands.SCRIPTS.items()}
    found = []
    for run in actions:
        script = names.get(run.argv[2], run.argv[0]) if len(run.argv) > 2 else ""
        tpm = PIDFILE in run.argv
        found.append(f"{script} {'tpm' if tpm else 'qemu' if PID in run.argv else ''}".strip())
    return found


def made() -> HostState:
    """The host with the machine up."""
    plan = plan_up(LAB, "local", ["vm"], EMPTY)
    things = tuple(thing for step in plan.steps for thing in step.makes)
    argv = daemon_argv(resolved_view(LAB, "vm", EMPTY))
    return replace(EMPTY, processes={PID: Process(7, argv)}, journal=Journal(LAB.file, things))


def test_it_is_started_before_its_qemu_and_ended_after_it() -> None:
    plan = plan_up(LAB, "local", ["vm"], EMPTY)
    [step] = [step for step in plan.steps if step.what == "start vm"]

    assert kinds(runs(step.do)) == ["stop tpm", "start TPM tpm", "start qemu"]
    assert kinds(runs(step.undo))[:2] == ["stop qemu", "stop tpm"]
    assert {thing.name for thing in step.makes if thing.kind in ("process", "tpm")} == {PID, PIDFILE}
    assert {thing.name for thing in step.makes if thing.kind == "disk"} == {STATE}


@pytest.mark.parametrize("keep", [False, True])
def test_down_ends_it_and_keeps_its_state_where_disks_are_kept(*, keep: bool) -> None:
    plan = plan_down(LAB, None, made(), keep_disks=keep)

    [stop] = [step for step in plan.steps if step.what == "stop vm"]
    removed = {word for step in plan.steps for run in runs(step.do) for word in run.argv if step is not stop}
    assert plan.closing is not None
    left = [parse_journal(run.stdin).things for run in runs(plan.closing.do) if run.stdin]
    assert kinds(runs(stop.do)) == ["stop qemu", "stop tpm"]
    assert (STATE in removed) is not keep
    assert {*PATHS.tpm_files("vm")} <= removed
    assert [[thing.name for thing in things] for things in left] == ([[STATE]] if keep else [])


def test_no_machine_has_a_file_of_anothers() -> None:
    """Whatever they are called: names may have dots in them."""
    names = ["vm", "vm.tpm", "vm.tpmpid", "vm.tpmstarted", "vm.tpmstate", "vm.pid", "vm.started"]
    files = [
        path
        for name in names
        for path in (*PATHS.machine_files(name), *PATHS.tpm_files(name), PATHS.tpm_state(name))
    ]

    assert len(files) == len({*files})


def test_a_host_without_swtpm_lacks_it() -> None:
    by_libvirt = one_vm("libvirt", accel="tpm: true\n    accel")
    said = {
        name: [words for words in lacking(lab, ["vm"], EMPTY) if "swtpm" in words]
        for name, lab in {"qemu": LAB, "libvirt": by_libvirt, "without": one_vm("libvirt")}.items()
    }

    assert said == {
        "qemu": ["swtpm is not installed (Debian: swtpm)"],
        "libvirt": [
            "swtpm is not installed (Debian: swtpm)",
            "swtpm_setup is not installed (Debian: swtpm-tools)",
        ],
        "without": [],
    }


def test_a_comma_which_swtpm_takes_for_the_end_of_a_path_is_refused() -> None:
    lab = LAB.model_copy(update={"state_dir": "/srv/a,b"})

    with pytest.raises(RequestError, match="swtpm takes no path with a comma, and has /srv/a,b/lab"):
        plan_up(lab, "local", ["vm"], EMPTY)


def test_a_rendered_script_starts_it_and_a_rendered_command_line_says_how(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("version: 1\nmachines: {vm: {guest: windows, memory: 1GiB, backend: qemu, tpm: true}}\n")
    lab = lab_of(path.read_text())
    done = CliRunner().invoke(rscvm, ["render", str(path), "--as", "argv"])

    script = machine_script(lab, "vm")
    view = resolved_view(lab, "vm", EMPTY)
    assert "(umask 077 && swtpm socket --tpm2" in script
    assert script.index("swtpm socket") < script.index("case $accel-$vhost")
    assert f"vm: start its TPM first: {' '.join(tpm_argv(view))}" in done.output
    assert f"socket,id=tpm,path={PATHS.socket('vm', 'tpm')}" in done.stdout
