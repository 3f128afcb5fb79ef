"""Which device `hck enforce` takes for a test NIC's TAP, and what it reads of what keeps that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.keeper_lines import KeeperLine, parse_keeper_line
from provision.host.journal import Journal
from provision.host.plan.hck_flags import DISARMED, without_flags
from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.lab.identity import spec_as_noted
from provision.lab.paths import LabPaths
from provision.render.machine import domain_xml
from provision.runtime.errors import UnreadableError
from provision.runtime.protocols import Domain
from provision.verbs.hck.kept_taps import hck_nics, is_there, why_not_kept
from tests.hosts import EMPTY, TAP, running
from tests.labs import hlk


@pytest.mark.parametrize("with_engine", [True, False])
@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_a_machine_that_was_disarmed_is_an_ordinary_one(backend: str, *, with_engine: bool) -> None:
    lab, name = hlk(backend), "rsc-dut"
    [of] = hck_nics(lab, list(lab.machines))
    plain = without_flags(lab.machines[name])
    runs = lab if with_engine else lab.model_copy(update={"machines": {**lab.machines, name: plain}})
    view = resolved_view(runs, name, EMPTY)
    link = replace(TAP, name=of.tap, index=7, alias="")
    state = replace(EMPTY, links={of.tap: link}, held={name: frozenset({of.tap})})
    if backend == "libvirt":
        xml = domain_xml(view)
        state = replace(state, domains={name: Domain(name, "running", xml, xml)})
    else:
        noted = Journal(
            lab.file,
            specs={name: spec_as_noted(runs.machines[name])},
            disarmed=frozenset(() if with_engine else {name}),
        )
        process = replace(next(iter(running().processes.values())), argv=daemon_argv(view))
        pidfile = LabPaths(lab.state_dir, lab.name).pidfile(name)
        state = replace(state, journal=noted, processes={pidfile: process})

    assert why_not_kept(lab, of, state) == ("" if with_engine else DISARMED)
    assert [is_there(of, index, state) for index in (7, 8)] == [True, False]


@given(st.text())
def test_any_line_is_read_or_cannot_be_read(line: str) -> None:
    with suppress(UnreadableError):
        parse_keeper_line(line)


def test_lines_are_read_as_they_are_said() -> None:
    assert parse_keeper_line("failed tap0 7 no such luck") == KeeperLine("failed", "tap0", 7, "no such luck")
    assert parse_keeper_line("gone tap0") == KeeperLine("gone", "tap0")
    assert parse_keeper_line("busy by root@hv") == KeeperLine("busy", words="by root@hv")
    for line in ("off tap0", "off tap0 seven", "off tap0 ²", "gone", "", " ", "off  7"):
        with pytest.raises(UnreadableError):
            parse_keeper_line(line)
