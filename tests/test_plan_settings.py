"""What a host's NICs are to be set to, how that is undone, what stands in the way, and why it did not take."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.host.journal import Journal, parse_journal
from provision.host.plan.commands import set_features, tolerant
from provision.host.plan.down import plan_down
from provision.host.plan.nics import WHY, nic_notes, nic_steps, nm_command
from provision.host.plan.settings import plan_apply
from provision.host.plan.steps import Plan, Step
from provision.host.state import NicState
from provision.lab.spec import Lab
from provision.render.link_file import link_file_head, link_path
from tests.builders import lab_of
from tests.hosts import allowed, commands, lacking_for_settings, runs
from tests.nics import (
    MAC,
    NM_EXTERNALLY,
    NM_OWNS,
    UUID,
    captured_features,
    composed_coalesce,
    found,
    lab_with,
)

OFF = {"active": False, "requested": False}


def steps(lab: Lab, **answers: Any) -> list[Step]:
    return list(nic_steps(lab, "hv", found(lab, **answers)))


def journal(plan: Plan) -> Journal:
    """The journal that a plan begins with."""
    assert plan.opening is not None
    return parse_journal(runs(plan.opening.do)[0].stdin)


def ethtool(step: Step, *, undo: bool = False) -> list[str]:
    """The step's ethtool commands, without the shell that lets them fail."""
    argvs = [run.argv for run in runs(step.undo if undo else step.do)]
    assert all(argv[:4] == tolerant().argv for argv in argvs)
    return [" ".join(argv[4:]) for argv in argvs]


def test_a_group_is_set_before_what_it_would_overrule() -> None:
    run = set_features(
        "eth0", {"tx-checksum-ipv4": True, "tx-tcp-segmentation": True, "tx-checksumming": False}
    )

    assert run.argv[-6:] == (
        *("tx-checksumming", "off"),
        *("tx-checksum-ipv4", "on"),
        *("tx-tcp-segmentation", "on"),
    )


def test_only_what_is_otherwise_than_wanted_is_set_and_shown_with_its_reason() -> None:
    lab = lab_with("{features: {generic-receive-offload: off, rx-checksumming: on, tx-nocache-copy: on}}")

    [step] = steps(lab)

    assert ethtool(step) == ["ethtool -K eth0 generic-receive-offload off tx-nocache-copy on"]
    assert step.diff == (
        "  eth0",
        "-   generic-receive-offload: on",
        f"+   generic-receive-offload: off  ({WHY['generic-receive-offload']})",
        "-   tx-nocache-copy: off",
        "+   tx-nocache-copy: on  (the lab file says so)",
    )
    assert step.guarded


def test_a_nic_that_is_as_declared_needs_nothing() -> None:
    lab = lab_with("{features: {generic-receive-offload: on}, coalesce: {rx-usecs: 3, adaptive-rx: off}}")

    assert steps(lab) == []


def test_undoing_features_asks_for_what_was_set_as_it_was_asked_for() -> None:
    """A group sets kinds that were apart, and a feature may be asked for and off; the rest may be somebody else's."""
    lab = lab_with("{features: {tcp-segmentation-offload: off}}")
    apart = captured_features(
        tx_tcp6_segmentation=OFF,
        tx_tcp_mangleid_segmentation={"active": False, "requested": True},
    )

    [step] = steps(lab, features=apart)
    [undo] = ethtool(step, undo=True)

    asked = dict(zip(undo.split()[3::2], undo.split()[4::2], strict=True))
    assert asked == {
        "tx-tcp-segmentation": "on",
        "tx-tcp6-segmentation": "off",
        "tx-tcp-mangleid-segmentation": "on",
    }


def test_undoing_one_lab_leaves_what_another_has_set_of_the_same_nic() -> None:
    gro = lab_with("{features: {generic-receive-offload: off}}")
    copy = lab_with("{features: {tx-nocache-copy: on}}")
    between = captured_features(generic_receive_offload=OFF)

    [first], [second] = steps(gro), steps(copy, features=between)

    assert ethtool(first, undo=True) == ["ethtool -K eth0 generic-receive-offload on"]
    assert ethtool(second, undo=True) == ["ethtool -K eth0 tx-nocache-copy off"]


def test_down_puts_back_what_was_before_the_first_of_several_changes() -> None:
    """And coalescing in the order that lets it take: the number first, then what overrules it."""
    first, second = lab_with("{coalesce: {rx-usecs: 30}}"), lab_with("{coalesce: {rx-usecs: 50}}")
    there = found(first, coalesce=composed_coalesce())
    later = found(second, coalesce=composed_coalesce(("rx-usecs: 33", "rx-usecs: 30"), ("RX: on", "RX: off")))

    noted = journal(plan_apply(first, "hv", there))
    twice = journal(plan_apply(second, "hv", replace(later, journal=noted)))
    [down] = plan_down(second, None, replace(later, journal=twice)).steps

    assert [" ".join(argv[4:]) for argv in commands(down)] == [
        "ethtool -C eth0 rx-usecs 33",
        "ethtool -C eth0 adaptive-rx on",
    ]


def test_adaptive_coalescing_goes_off_first_and_comes_back_last() -> None:
    lab = lab_with("{coalesce: {rx-usecs: 30}}")

    [step] = steps(lab, coalesce=composed_coalesce())

    assert ethtool(step) == ["ethtool -C eth0 adaptive-rx off", "ethtool -C eth0 rx-usecs 30"]
    assert ethtool(step, undo=True) == ["ethtool -C eth0 rx-usecs 33", "ethtool -C eth0 adaptive-rx on"]
    assert "+   adaptive-rx: off  (on, it overrules rx-usecs)" in step.diff


def test_adaptive_coalescing_that_the_lab_file_wants_stays_on() -> None:
    lab = lab_with("{coalesce: {adaptive-rx: on, rx-frames: 64}}")

    [step] = steps(lab, coalesce=composed_coalesce())

    assert ethtool(step) == ["ethtool -C eth0 rx-frames 64"]


def test_a_name_as_ethtool_prints_it_is_set_as_ethtool_takes_it() -> None:
    lab = lab_with("{coalesce: {rx-frame-low: 7}}")

    [step] = steps(lab, coalesce=composed_coalesce())

    assert ethtool(step) == ["ethtool -C eth0 rx-frames-low 7"]
    assert ethtool(step, undo=True) == ["ethtool -C eth0 rx-frames-low 2"]


def test_the_journal_knows_how_a_nic_was() -> None:
    lab = lab_with("{features: {generic-receive-offload: off}, coalesce: {rx-usecs: 30}}")

    plan = plan_apply(lab, "hv", found(lab))

    assert plan.opening is not None
    [note] = commands(plan.opening)
    [thing] = [thing for step in plan.steps[:1] for thing in step.makes]
    assert (thing.kind, thing.name) == ("nic", "eth0")
    assert note[-1] == "/var/lib/rscvm/lab/journal.json"
    assert plan.opening is not None
    text = runs(plan.opening.do)[0].stdin
    [row] = json.loads(text)["things"]
    assert json.loads(row["was"]) == {
        "features": {"generic-receive-offload": True},
        "coalesce": {"rx-usecs": 3},
    }


def test_a_nic_is_set_by_root_and_needs_no_tun() -> None:
    lab = lab_with("{features: {generic-receive-offload: off}}")
    there = allowed(found(lab), programs=frozenset({"ip", "ethtool"}))

    without_tun = allowed(there, tun="/dev/net/tun cannot be opened: not there")
    without_flags = allowed(there, root=False)

    assert lacking_for_settings(lab, without_tun) == ()
    assert lacking_for_settings(lab, without_flags) == (
        "setting bridges and NICs needs root (CAP_NET_ADMIN)",
    )


def kept(lab: Lab) -> str:
    """Our .link file for the NIC, as `apply` writes it."""
    [step] = [step for step in steps(lab) if step.what.startswith("write ")]
    return runs(step.do)[0].stdin


KEEP = "{coalesce: {rx-usecs: 3}, persist: link}"


def test_a_link_file_is_shown_whole_written_once_and_brought_up_to_date() -> None:
    lab, other = lab_with(KEEP), lab_with("{coalesce: {rx-usecs: 3, adaptive-rx: off}, persist: link}")
    text, path = kept(lab), link_path("lab", "eth0")

    [new] = steps(lab)
    [changed] = steps(other, link=text)

    assert (new.what, changed.what) == (f"write {path}",) * 2
    assert f"\nPermanentMACAddress={MAC}\n" in text
    assert new.diff == tuple(f"+ {line}" for line in text.splitlines())
    assert changed.diff[: len(text.splitlines())] == tuple(f"- {line}" for line in text.splitlines())
    assert runs(new.undo)[0].argv == ("rm", "-f", "--", path, f"{path}.new")
    assert runs(changed.undo)[0].stdin == text
    assert steps(lab, link=text) == []


@pytest.mark.parametrize("adaptive", ["on", "off"])
def test_what_keeps_a_number_keeps_adaptive_coalescing_from_overruling_it(adaptive: str) -> None:
    lab = lab_with(KEEP)
    answers = composed_coalesce(("RX: on", f"RX: {adaptive}"))

    written = [step for step in steps(lab, coalesce=answers) if step.what.startswith("write ")]
    [note] = nic_notes(lab, "hv", found(lab, coalesce=answers, owner=f"{NM_OWNS}252\n"))

    assert "RxCoalesceSec=3us\n" in runs(written[0].do)[0].stdin
    assert "UseAdaptiveRxCoalesce=no\n" in runs(written[0].do)[0].stdin
    assert note.endswith("ethtool.coalesce-rx-usecs 3 ethtool.coalesce-adaptive-rx 0")


def test_nothing_to_keep_is_no_link_file() -> None:
    assert steps(lab_with("{persist: link}")) == []


def test_a_link_file_of_ours_that_is_no_longer_wanted_is_removed_and_somebody_elses_stays() -> None:
    lab = lab_with("{coalesce: {rx-usecs: 3}}")

    [step] = steps(lab, link=kept(lab_with(KEEP)))

    assert step.what == f"remove {link_path('lab', 'eth0')}"
    assert steps(lab, link="[Match]\nOriginalName=eth0\n") == []
    assert steps(lab_with(KEEP), link="# rscvm: lab other, host hv, NIC eth0\n") == []


def test_networkmanagers_nic_keeps_its_settings_by_nmcli_and_gets_no_link_file() -> None:
    settings = "{features: {generic-receive-offload: on, rx-gro-list: off}, coalesce: {rx-usecs: 3, adaptive-rx: off}, persist: link}"
    lab = lab_with(settings)
    there = found(lab, owner=f"{NM_OWNS}252\n")
    command = (
        f"nmcli connection modify {UUID} ethtool.feature-gro on ethtool.feature-rx-gro-list off "
        "ethtool.coalesce-rx-usecs 3 ethtool.coalesce-adaptive-rx 0"
    )

    assert nm_command(UUID, lab.host("hv").nics["eth0"]) == command
    assert list(nic_notes(lab, "hv", there)) == [
        f"eth0 is NetworkManager's, which keeps settings itself; to keep these, run on hv: {command}"
    ]
    assert list(nic_steps(lab, "hv", there)) == []
    [gone] = steps(lab, owner=f"{NM_OWNS}252\n", link=link_file_head("lab", "hv", "eth0"))
    assert (gone.what, gone.why) == (
        f"remove {link_path('lab', 'eth0')}",
        "eth0 is NetworkManager's by now, which keeps settings itself",
    )
    assert plan_apply(lab, "hv", there).notes == tuple(nic_notes(lab, "hv", there))


def test_a_nic_that_networkmanager_only_watches_is_not_its_own() -> None:
    lab = lab_with(KEEP)

    assert steps(lab, owner=f"{NM_EXTERNALLY}252\n") != []
    assert list(nic_notes(lab, "hv", found(lab, owner=f"{NM_EXTERNALLY}252\n"))) == []


def test_a_nic_that_is_not_there_keeps_no_other_from_being_set() -> None:
    gro = "{features: {generic-receive-offload: off}}"
    lab = lab_of(f"version: 1\nhosts: {{hv: {{address: hv, nics: {{gone: {gro}, eth0: {gro}}}}}}}\n")
    there = found(lab)

    plans = [
        [*nic_steps(lab, "hv", replace(there, nics=nics))]
        for nics in ({"eth0": there.nics["eth0"]}, {**there.nics, "gone": NicState()})
    ]

    for [step] in plans:
        assert ethtool(step) == ["ethtool -K eth0 generic-receive-offload off"]
