"""Notes beside a verdict: what a guest cannot tell the TAP of, vhost that is not used, and flags that do no harm yet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.runtime.protocols import Domain
from provision.verify.collect.machines import collect_domain
from provision.verify.evidence import Cut, NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import ON, FakeEdges, features, nic, virtio
from tests.causes import HCK
from tests.repairs import xml

LINUX, HCKS = virtio("linux"), virtio("hck-driver")
NO_SWITCH = replace(LINUX, negotiated=LINUX.negotiated - {"VIRTIO_NET_F_CTRL_GUEST_OFFLOADS"})


def noted(words: str, evidence: NicEvidence) -> bool:
    return any(words in note for note in judge_nic(evidence).notes)


def test_a_driver_that_cannot_tell_of_a_veto_is_ready_with_a_note() -> None:
    found = judge_nic(nic(virtio=NO_SWITCH))

    assert found.verdict == "ready"
    assert "took no CTRL_GUEST_OFFLOADS" in found.notes[0]
    assert judge_nic(nic()).notes == ()


@pytest.mark.parametrize(
    "evidence",
    [
        nic(virtio=virtio("no-driver"), features=features("no-driver")),
        nic(virtio=Unasked("-")),
        nic(rsc="false", virtio=replace(virtio("rsc-false"), negotiated=frozenset({"VIRTIO_NET_F_CTRL_VQ"}))),
        nic(state="off", virtio=NO_SWITCH),
    ],
)
def test_where_nothing_could_be_vetoed_nothing_is_said(evidence: NicEvidence) -> None:
    assert not noted("CTRL_GUEST_OFFLOADS", evidence)


def test_vhost_that_is_wished_for_and_not_used_is_noted() -> None:
    assert noted("vhost is wished for", nic(vhost_asked=True))
    assert judge_nic(nic(vhost_asked=True)).verdict == "ready"


@pytest.mark.parametrize(
    "evidence",
    [
        nic(),
        nic(vhost_asked=True, virtio=replace(LINUX, vhost=True)),
        nic(vhost_asked=True, virtio=virtio("no-driver")),  # it starts with the driver
        nic(vhost_asked=True, cuts=(Cut("qemu", "set_link"),)),  # it stops with the link
        nic(vhost_asked=True, virtio=Unasked("-")),
    ],
)
def test_vhost_that_runs_or_cannot_yet_is_not(evidence: NicEvidence) -> None:
    assert not noted("vhost", evidence)


@pytest.mark.parametrize(
    ("driver", "asked"), [("<driver name='vhost'/>", True), ("<driver name='qemu'/>", False), ("", False)]
)
def test_the_wish_is_the_definitions(driver: str, asked: bool) -> None:  # noqa: FBT001
    live = xml(f"<model type='virtio'/>{driver}")
    [found] = collect_domain(FakeEdges(), "local", Domain("vm", "running", live, live), monitor=False)

    assert found.vhost_asked is asked


def flagged(**changes: object) -> NicVerdict:
    return judge_nic(nic(**{"virtio": replace(LINUX, offered=HCKS.offered), **changes}))


def test_the_engine_that_no_driver_has_taken_is_said_to_be_harmless_until_then() -> None:
    found = flagged()

    assert found.finding.cause is not None
    assert (found.verdict, found.finding.cause.id) == ("not-ready", "hck-flags-in-production")
    assert found.finding.seen.endswith("harmless until a driver takes it, which the guest's has not")
    waiting = flagged(virtio=replace(virtio("no-driver"), offered=HCKS.offered))
    assert waiting.finding.seen.endswith("harmless until a driver takes it")


def test_under_vhost_it_is_harmless_too() -> None:
    assert "harmless while vhost carries" in flagged(virtio=replace(HCKS, vhost=True)).finding.seen


def test_an_engine_that_runs_is_not_called_harmless() -> None:
    assert "harmless" not in flagged(virtio=HCKS).finding.seen


def test_flags_without_effect_are_harmless() -> None:
    properties = {**ON, "guest_rsc_ext": True}
    found = judge_nic(nic(**{**HCK, "properties": properties, "virtio": replace(HCKS, vhost=True)}))

    assert found.finding.seen == (
        "guest_rsc_ext is on, and vhost carries the packets past QEMU: harmless, and of no use"
    )
