"""The reference leg's power cycle: nothing but the offloads of one NIC is otherwise, and the way back is what ran."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.host.plan.steps import Define, Destroy, Start
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.runtime.command import Run
from provision.runtime.errors import HostError
from provision.runtime.protocols import Domain
from provision.verbs.bench.reference import lab_without_offloads, reference_step
from tests.builders import one_vm
from tests.hosts import LAB, running

TWO = one_vm(
    **{
        'mac: "52:54:00:12:34:56"}': 'mac: "52:54:00:12:34:56", offloads: {guest_tso4: on, guest_uso4: off, mrg_rxbuf: off}}, {tap: true}'
    }
)


def words(argv: tuple[str, ...]) -> set[str]:
    """The arguments, options' properties one by one."""
    return {word for argument in argv for word in argument.split(",")}


def started(step_actions: tuple[object, ...]) -> tuple[str, ...]:
    """The command line with which QEMU is started."""
    [argv] = [run.argv for run in step_actions if isinstance(run, Run) and "-daemonize" in run.argv]
    return argv


def test_a_bare_machine_gets_another_device_and_nothing_else_and_its_own_back() -> None:
    step = reference_step(LAB, "vm", "net0", running())
    off, on = words(started(step.do)), words(started(step.undo))

    changed = {word.partition("=")[0] for word in on ^ off}
    assert {"guest_csum", "guest_tso4", "guest_tso6"} <= changed
    assert all(name.startswith("guest_") for name in changed)
    assert {"guest_csum=off", "guest_tso4=off", "guest_tso6=off"} <= off
    assert words(daemon_argv(resolved_view(LAB, "vm", running()))) <= on
    assert all(isinstance(action, Run) for action in step.undo)


def test_a_domain_is_defined_so_and_back_with_a_power_cycle_each() -> None:
    lab = one_vm("libvirt")
    xml = domain_xml(resolved_view(lab, "vm", running()))
    state = replace(running(), processes={}, domains={"vm": Domain("vm", "running", xml, xml, "1")})

    step = reference_step(lab, "vm", "net0", state)

    define, *cycle = step.do
    assert isinstance(define, Define)
    assert '<guest csum="off" tso4="off" tso6="off"' in define.xml
    assert cycle == [Destroy("vm"), Start("vm")]
    assert step.undo == (Define(xml), Destroy("vm"), Start("vm"))


def test_a_machine_that_is_not_as_its_lab_file_has_it_is_left_alone() -> None:
    larger = one_vm(**{"256MiB": "512MiB"})

    with pytest.raises(HostError, match="would not be brought back as it was"):
        reference_step(larger, "vm", "net0", running())


def test_offloads_that_the_lab_file_names_do_not_come_in_its_way_and_other_nics_stay() -> None:
    plain: Lab = lab_without_offloads(TWO, "vm", "net0")
    first, second = plain.machines["vm"].nics

    assert not any(
        on for name, on in first.wanted().items() if name.startswith("guest_") and name != "guest_announce"
    )
    assert first.offloads == {"mrg_rxbuf": False}
    assert second == TWO.machines["vm"].nics[1]
    assert second.wanted()["guest_tso4"]


@pytest.mark.parametrize("name", ["hosts", "state_dir", "name"])
def test_the_rest_of_the_lab_stays(name: str) -> None:
    assert getattr(lab_without_offloads(TWO, "vm", "net0"), name) == getattr(TWO, name)
