"""What a machine's next start will make of a NIC: by its definition alone, and where that is not what runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from provision.facts.processes import Process
from provision.host.state import Inventory
from provision.lab.spec import Lab
from provision.render.machine import qemu_argv
from provision.render.view import machine_view
from provision.runtime.protocols import Domain
from provision.verify.collect.machines import collect_domain, collect_lab
from provision.verify.collect.next_start import with_spec
from provision.verify.judge.verdict import NicVerdict, judge_nic
from provision.verify.report.document import as_json
from provision.verify.report.html import as_html
from provision.verify.report.style import next_start
from provision.verify.report.summary import table
from provision.verify.report.text import as_text
from tests.builders import ON, FakeEdges, features, nic, one_vm, virtio
from tests.starts import ALL_OFF, TSO6_OFF, VIRTIO, commandline, domain, interface, override

WHEN = datetime(2026, 11, 28, tzinfo=UTC)


def judged(live: str, kept: str = "", state: str = "running") -> list[NicVerdict]:
    """The verdicts on a domain whose monitor is left alone."""
    nics = collect_domain(FakeEdges(), "local", Domain("vm", state, live, kept, "1"), monitor=False)
    return [judge_nic(each) for each in nics]


def told(*args: Any) -> list[dict[str, Any] | None]:
    return [row["definition"] for row in as_json(judged(*args))["nics"]]


READY = {"verdict": "ready", "cause": None}


def broken(cause: str) -> dict[str, Any]:
    return {"verdict": "not-ready", "cause": cause}


@pytest.mark.parametrize(
    ("xml", "definition"),
    [
        (domain(interface()), READY),
        (domain(interface(ALL_OFF)), broken("guest-offloads-off")),
        (domain(interface(TSO6_OFF)), broken("guest-offloads-off")),
        (domain(interface("<model type='e1000e'/>")), broken("not-virtio")),
        (domain(interface(kind="user")), broken("no-vnet-header")),
        (domain(interface("")), {"verdict": "unknown", "cause": None}),
        (domain(interface("", kind="hostdev")), {"verdict": "unknown", "cause": "not-virtio"}),
        (domain(interface(kind="direct")), {"verdict": "unknown", "cause": "tap-unreadable"}),
        (domain(interface("<model type='virtio-non-transitional'/>")), READY),
        (
            domain(
                interface(),
                more=commandline(
                    "-global", "virtio-net-pci.guest_tso4=off", "-global", "virtio-net-pci.guest_tso6=off"
                ),
            ),
            broken("guest-offloads-off"),
        ),
        (domain(interface(), more=override("net0", "false")), broken("guest-offloads-off")),
        (domain(interface(f"{VIRTIO}<alias name='ua-a'/>"), more=override("ua-a", "false")), broken("guest-offloads-off")),
        (domain(interface(f"{VIRTIO}<alias name='ua-a'/>"), more=override("net0", "false")), READY),
        (domain(interface(), more=override("net0", "true", "guest_rsc_ext")), broken("hck-flags-in-production")),
        (domain(interface(), more=override("net7", "true", "guest_rsc_ext")), broken("hck-flags-ineffective")),
        (domain(interface(), more=commandline("-readconfig", "/etc/x")), {"verdict": "unknown", "cause": None}),
        (
            domain(interface(), more=commandline("-set", "device.net0.guest_tso4=off")),
            {"verdict": "unknown", "cause": None},
        ),
        (domain(interface(), more=commandline("-set", "device.net1.guest_tso4=off")), READY),
    ],
)  # fmt: skip
def test_a_machine_that_is_off_is_told_by_its_definition(xml: str, definition: dict[str, Any]) -> None:
    [verdict] = judged(xml, "", "off")

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "machine-off"
    assert told(xml, "", "off") == [definition]


@pytest.mark.parametrize(
    ("live", "kept", "definition"),
    [
        (interface(), interface(), None),
        (interface(), interface(TSO6_OFF), broken("guest-offloads-off")),
        (interface(TSO6_OFF), interface(), READY),
        (interface(TSO6_OFF), interface(TSO6_OFF), None),
        (interface(TSO6_OFF), interface(ALL_OFF), broken("guest-offloads-off")),
        (interface(), interface(f"{VIRTIO}<driver><guest ecn='off'/></driver>"), None),
        (interface(), interface("<model type='e1000e'/>"), broken("not-virtio")),
        (interface(kind="bridge"), interface(kind="network"), None),
        (interface(), interface(VIRTIO, "52:54:00:00:00:99"), {"verdict": "not-ready", "cause": None}),
        (interface(), "", {"verdict": "not-ready", "cause": None}),
        (interface(VIRTIO, "52:54:00:AA:00:01"), interface(ALL_OFF, "52:54:00:aa:00:01"), broken("guest-offloads-off")),
    ],
)  # fmt: skip
def test_of_a_machine_that_runs_what_differs_is_told_in_either_direction(
    live: str, kept: str, definition: dict[str, Any] | None
) -> None:
    assert told(domain(live), domain(kept)) == [definition]


def test_a_transient_machine_and_old_evidence_have_no_definition() -> None:
    assert told(domain(interface())) == [None]


def test_a_machine_that_was_saved_goes_on_as_it_ran() -> None:
    saved = Domain("vm", "off", domain(interface(ALL_OFF)), "", saved=True)

    [verdict] = [judge_nic(each) for each in collect_domain(FakeEdges(), "local", saved)]

    assert verdict.definition is not None
    assert verdict.definition.verdict == "unknown"
    assert "it was saved" in verdict.definition.seen


def test_another_purpose_is_told_though_both_are_ready() -> None:
    def of(rsc: str) -> str:
        return domain(interface(f"{VIRTIO}<alias name='ua-a'/>"), more=ours(rsc))

    [verdict] = judged(of("true"), of("false").replace(VIRTIO, ALL_OFF))

    assert next_start(verdict) == "at its next start: READY (rsc: false), as far as its definition tells"


def test_a_definition_that_cannot_be_read_is_unknown() -> None:
    assert told(domain(interface()), "<domain") == [{"verdict": "unknown", "cause": None}]


def test_nics_of_one_address_stand_for_each_other_in_their_order() -> None:
    live = domain(interface(), interface(TSO6_OFF))

    assert told(live, domain(interface(), interface())) == [None, READY]


def test_a_nic_that_only_the_definition_has_is_noted() -> None:
    [verdict] = judged(domain(interface()), domain(interface(), interface(VIRTIO, "52:54:00:00:00:02")))

    assert verdict.definition is None
    assert verdict.notes == (
        "its definition has a NIC 52:54:00:00:00:02 besides, which comes with its next start",
    )


def test_a_machine_that_runs_without_the_only_nic_of_its_definition_is_unknown() -> None:
    [verdict] = judged(domain(), domain(interface(ALL_OFF)))

    assert verdict.verdict == "unknown"
    assert "its definition has this NIC" in verdict.finding.seen
    assert as_json([verdict])["nics"][0]["definition"] == broken("guest-offloads-off")


def ours(rsc: str) -> str:
    mark = f"<r:machine xmlns:r='urn:rscvm:domain:1' name='vm' purpose='production'><r:nic name='a' alias='ua-a' rsc='{rsc}'/></r:machine>"
    return f"<metadata>{mark}</metadata>"


@pytest.mark.parametrize(
    ("rsc", "inner", "definition"),
    [
        ("true", VIRTIO, READY),
        ("false", ALL_OFF, READY),
        ("false", VIRTIO, broken("offered-though-off")),
    ],
)
def test_a_domain_of_ours_is_held_against_what_it_is_meant_to_be(
    rsc: str, inner: str, definition: dict[str, Any]
) -> None:
    assert told(domain(interface(f"{inner}<alias name='ua-a'/>"), more=ours(rsc)), "", "off") == [definition]


class TestWords:
    """Where a person reads."""

    def verdict(self) -> NicVerdict:
        there = collect_domain(
            FakeEdges(), "local", Domain("vm", "running", domain(interface()), domain(interface(TSO6_OFF)))
            , monitor=False
        )[0]  # fmt: skip
        taken, handed_on = virtio("linux"), features("negotiated-by-linux")
        return judge_nic(replace(there, tap="tap0", properties=ON, virtio=taken, features=handed_on))

    LINE = "at its next start: NOT-READY, guest-offloads-off: guest_tso6 is off on the device"

    def test_a_ready_nic_tells_it_too(self) -> None:
        verdict = self.verdict()

        assert verdict.verdict == "ready"
        assert f"  {self.LINE}" in [line.plain for line in as_text([verdict])]
        assert self.LINE in table([verdict])[1].plain
        assert f"{self.LINE}</p>" in as_html([verdict], when=WHEN, title="check")

    def test_ready_is_not_promised_beyond_what_is_defined(self) -> None:
        [verdict] = judged(domain(interface()), "", "off")

        lines = [line.plain for line in as_text([verdict])]
        assert "  at its next start: READY, as far as its definition tells" in lines


def bare(lab: Lab, now: Lab | None = None) -> NicVerdict:
    """A bare QEMU that was started from one lab file, and looked at by another; without the second it is off."""
    argv = tuple(qemu_argv(machine_view(now, "vm"))) if now else ()
    pidfile = f"{lab.state_dir}/{lab.name}/vm.pid"
    there = Inventory("local", processes={pidfile: Process(7, argv)} if now else {})
    found = collect_lab(FakeEdges(), lab, ["vm"], there, monitor=False)[0]
    return judge_nic(with_spec(found, lab, there))


def told_of(verdict: NicVerdict) -> Any:
    return as_json([verdict])["nics"][0]["definition"]


NO_TSO6 = {"ifname: tap0": "ifname: tap0, offloads: {guest_tso6: false}"}
FALSE = {"ifname: tap0": "ifname: tap0, rsc: false"}
E1000E = {"ifname: tap0": "ifname: tap0, model: e1000e, rsc: false"}


@pytest.mark.parametrize(
    ("file", "started", "definition"),
    [
        ({}, {}, None),
        ({}, None, READY),
        (NO_TSO6, None, broken("guest-offloads-off")),
        (NO_TSO6, {}, broken("guest-offloads-off")),
        ({}, NO_TSO6, READY),
        (FALSE, FALSE, None),
        (FALSE, {}, READY),
        ({}, E1000E, READY),
    ],
)
def test_a_bare_machines_definition_is_its_lab_file(
    file: dict[str, str], started: dict[str, str] | None, definition: dict[str, Any] | None
) -> None:
    verdict = bare(one_vm(**file), None if started is None else one_vm(**started))

    assert told_of(verdict) == definition


def test_a_nic_that_the_lab_file_has_no_more_is_noted() -> None:
    two = one_vm(
        **{'mac: "52:54:00:12:34:56"}': 'mac: "52:54:00:12:34:56"}, {user: true, rsc: false, name: old}'}
    )

    assert bare(one_vm(), two).notes == ("it runs with a NIC old, which the lab file does not have",)
    assert bare(two, two).notes == ()


def test_evidence_without_definition_is_judged_as_ever() -> None:
    assert judge_nic(nic()).definition is None
