"""A mark counts on the device that it was made for, and on none that bears a copy of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.ip import Link
from provision.host.journal import Journal, Thing
from provision.host.marks import marked_machine
from provision.host.plan.down import plan_down
from tests.hosts import BRIDGE, LAB, TAP, running, whats


@pytest.mark.parametrize(
    "link",
    [
        replace(TAP, name="theirs"),
        replace(TAP, kind="veth", tap=False),
        replace(TAP, kind="bridge", tap=False),
        replace(TAP, tap=False),
        replace(BRIDGE, name="theirs"),
        replace(BRIDGE, kind="dummy"),
        replace(TAP, alias=f"{TAP.alias} more"),
        replace(BRIDGE, name="tap0", kind="tun", tap=True),
    ],
)
def test_a_copied_mark_makes_nothing_ours(link: Link) -> None:
    found = replace(running(), links={link.name: link})

    assert marked_machine(LAB, link, found.journal) is None
    assert not any("TAP" in what or "bridge" in what for what in whats(plan_down(LAB, None, found).steps))


def test_the_journal_knows_the_taps_of_machines_that_the_lab_file_has_lost_or_changed() -> None:
    other = LAB.model_copy(update={"machines": {}})
    noted = Journal(things=(Thing("tap", "tap0", "vm"),))

    assert marked_machine(LAB, TAP, Journal()) == "vm"
    assert marked_machine(LAB, BRIDGE, Journal()) == ""
    assert marked_machine(other, TAP, noted) == "vm"
    assert marked_machine(other, TAP, Journal()) is None
