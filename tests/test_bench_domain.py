"""The reference leg of a domain of no lab file: edited, restarted by its guest's leave, and put back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from provision.runtime.errors import HostError
from provision.verbs.bench.reference_domain import domain_without_offloads
from tests.builders import nic
from tests.repairs import PASSWORD, Daemon, daemon

PLAIN = "<model type='virtio'/>"


@dataclass
class There:
    """A domain, and what is measured of it meanwhile."""

    daemon: Daemon = field(default_factory=lambda: daemon(PLAIN))
    kept: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def measure(self) -> None:
        def keep(_: str, text: str) -> str:
            self.kept.append(text)
            return "/backups/vm.xml"

        with domain_without_offloads(self.daemon, nic(), keep, lambda _: None, 0.3):
            assert self.daemon.there is not None
            self.ran.append(self.daemon.there.live_xml)

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.daemon.said]

    @property
    def defined(self) -> list[str]:
        return [text for verb, text in self.daemon.said if verb == "define"]


CYCLE = ["define", "shutdown", "start"]


def test_it_runs_without_the_offloads_and_then_as_before() -> None:
    there = There()

    there.measure()

    assert there.verbs == [*CYCLE, *CYCLE]
    assert '<guest csum="off" tso4="off" tso6="off" ecn="off" ufo="off"/>' in there.ran[0]
    assert there.kept == [there.defined[1]]
    assert PASSWORD in there.defined[1]
    assert "<guest" not in there.defined[1]


def test_a_guest_that_does_not_shut_down_runs_on_by_its_own_definition() -> None:
    there = There(daemon(PLAIN, deaf=True))

    with pytest.raises(HostError, match="still runs after"):
        there.measure()
    assert there.verbs == ["define", "shutdown", "define"]
    assert there.defined[1] == there.kept[0]
    assert there.ran == []


def test_an_interruption_while_it_shuts_down_puts_the_definition_back() -> None:
    there = There(daemon(PLAIN, interrupted=True))

    with pytest.raises(KeyboardInterrupt):
        there.measure()
    assert there.defined[1] == there.kept[0]


def test_what_fails_while_it_is_measured_brings_it_back_all_the_same() -> None:
    there = There()
    before = there.daemon.there

    with (
        pytest.raises(HostError, match="no such luck"),
        domain_without_offloads(there.daemon, nic(), lambda *_: "/backups/vm.xml", lambda _: None, 0.3),
    ):
        raise HostError("no such luck")
    assert before is not None
    assert there.daemon.there is not None
    assert there.verbs == [*CYCLE, *CYCLE]
    assert there.daemon.there.state == "running"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"persistent_xml": ""}, "no definition"),
        ({"persistent_xml": "<domain><devices/></domain>"}, "0 NICs of 52:54"),
    ],
)
def test_without_a_definition_of_that_nic_nothing_is_touched(changes: dict[str, Any], words: str) -> None:
    there = There()
    assert there.daemon.there is not None
    there.daemon.there = replace(there.daemon.there, **changes)

    with pytest.raises(HostError, match=words):
        there.measure()
    assert there.verbs == []
