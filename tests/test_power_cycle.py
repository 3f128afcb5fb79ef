"""What a power cycle with another definition shows, does and takes back."""

from __future__ import annotations

from dataclasses import replace

from provision.host.plan.bare_machines import process_step
from provision.host.plan.diff import argv_lines
from provision.host.plan.power_cycle import definition_step
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Define, Destroy, Start
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.render.view import MachineView
from provision.runtime.protocols import Domain
from tests.builders import one_vm
from tests.hosts import EMPTY

WORDS = ("change vm", "because")


def views(backend: str) -> tuple[Lab, tuple[MachineView, MachineView]]:
    labs = one_vm(backend), one_vm(backend, **{"256MiB": "512MiB"})
    return labs[1], (resolved_view(labs[0], "vm", EMPTY), resolved_view(labs[1], "vm", EMPTY))


def test_a_command_line_has_each_option_with_its_value_on_a_line_and_no_secret() -> None:
    assert argv_lines(("qemu", "-m", "1g", "-S", "-device", "a,b=-1", "-append", "x y")) == [
        "-m 1g",
        "-S",
        "-device a,b=-1",
        "-append ***",
    ]
    assert argv_lines(("sh", "script", "more", "-x")) == ["script more", "-x"]


def test_a_restarted_qemu_is_shown_by_the_options_that_differ() -> None:
    step = process_step(views("qemu")[1], WORDS)

    assert step.diff == ("--m size=262144k", "+-m size=524288k")
    assert not step.exclusive


def test_a_domain_is_defined_before_it_is_stopped_and_gets_back_what_it_had() -> None:
    lab, both = views("libvirt")
    before, after = (domain_xml(view) for view in both)
    there = Domain("vm", "running", before, before.replace("<domain", "<domain id='7'", 1))

    step = definition_step(lab, both, there, WORDS, cycle=True)
    transient = definition_step(lab, both, replace(there, persistent_xml=""), WORDS, cycle=True)
    off = definition_step(lab, both, there, WORDS, cycle=False)

    assert step.do == (Define(after), Destroy("vm"), Start("vm"))
    assert step.undo == (Define(there.persistent_xml), Destroy("vm"), Start("vm"))
    assert transient.undo == (Define(before), Destroy("vm"), Start("vm"))
    assert (off.do, off.undo) == ((Define(after),), (Define(there.persistent_xml),))
    assert not step.exclusive, "what failed half way is taken back, too"
