"""Which accelerator a machine has on a host, by its lab file, what was measured, and how it was made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.accelerators import Accelerators, Failed
from provision.facts.processes import Process
from provision.host.journal import Journal
from provision.host.plan.resolved import resolved_view
from tests.builders import one_vm
from tests.hosts import EMPTY, PID, allowed, capable

FAST, SLOW, NONE = Accelerators(500, 40), Accelerators(500, 501), Accelerators(500, Failed("none"))


def kvm(accel: str, measured: Accelerators | None, *, noted: bool | None = None, there: bool = False) -> bool:
    lab = one_vm(**{"accel: tcg": f"accel: {accel}"})
    journal = Journal(lab.file, kvm={} if noted is None else {"vm": noted})
    processes = {PID: Process(7, ())} if there else {}
    host = replace(capable(EMPTY, accelerators=measured), journal=journal, processes=processes)
    return resolved_view(lab, "vm", host).choices.kvm


@pytest.mark.parametrize("measured", [FAST, SLOW, NONE, None])
def test_what_the_lab_file_says_counts_whatever_was_measured(measured: Accelerators | None) -> None:
    assert kvm("kvm", measured)
    assert not kvm("tcg", measured)


def test_auto_is_kvm_where_it_works_and_is_not_slower() -> None:
    assert [kvm("auto", measured) for measured in (FAST, SLOW, NONE, None)] == [True, False, False, False]


def test_what_auto_came_to_counts_for_the_machine_that_is_there() -> None:
    assert kvm("auto", SLOW, noted=True, there=True)
    assert not kvm("auto", FAST, noted=False, there=True)


def test_what_auto_came_to_once_does_not_count_for_a_machine_that_has_gone_or_is_told_what_to_use() -> None:
    assert not kvm("auto", SLOW, noted=True)
    assert kvm("auto", FAST, noted=False)
    assert not kvm("tcg", FAST, noted=True, there=True)


def test_vhost_goes_with_kvm() -> None:
    host = allowed(capable(EMPTY, accelerators=FAST), vhost=True)
    labs = (one_vm(**{"accel: tcg": "accel: auto"}), one_vm())

    assert [resolved_view(lab, "vm", host).choices.vhost for lab in labs] == [True, False]
