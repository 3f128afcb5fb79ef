"""explain: every cause and every FailureReason with how it is seen, what to do, and where that is known from."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from provision.cli import run
from provision.tables.failure_reasons import REASONS
from provision.tables.known_issues import BY_ID, KNOWN_ISSUES
from provision.tables.topics import TOPICS
from provision.verify.judge.cause import Fix
from provision.verify.judge.causes.catalogue import CATALOGUE
from provision.verify.judge.ladder import ORDER

IDS = {
    "machine-off", "machine-paused", "link-down", "not-virtio", "no-vnet-header", "guest-offloads-off", "hck-flags-ineffective",
    "hck-flags-in-production", "offered-though-off", "not-offered", "driver-not-loaded", "driver-declined",
    "host-disabled-checksum", "tap-segmentation-off", "host-disabled-segmentation", "guest-disabled-rsc",
    "not-wire-like", "tap-unreadable", "failover-standby", "segment-limit", "queueing-segments", "gro-off", "path-segments", "no-traffic", "not-coalesced", "fixed-id-sender",
    "nic-property-disabled", "offload-globally-disabled", "guest-too-old", "capability", "wfp-compatibility", "ndis-compatibility",
    "forwarding-enabled", "guest-unreachable",
}  # fmt: skip
"""Other tools match on them: every cause of CAUSES.md."""


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["explain", *arguments]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(explained(capsys, *arguments, "--json"))
    assert found["schema"] == "rscvm/explain/1"
    return found


def test_every_cause_has_its_stable_id_and_stands_in_its_rungs_file() -> None:
    assert {cause.id for cause in CATALOGUE} == IDS
    assert [cause.holds.__module__.rpartition(".")[2] for cause in CATALOGUE] == [
        cause.rung for cause in CATALOGUE
    ]


@pytest.mark.parametrize("cause", CATALOGUE, ids=lambda cause: cause.id)
def test_every_cause_is_shown_whole(cause: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, cause.id)

    assert cause.rung in ORDER
    assert cause.seen
    assert cause.source
    for words in (
        cause.why,
        f"  seen: {cause.seen}",
        f"  source: {cause.source}",
        *map(str, cause.fix),
    ):
        assert words in text


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_every_reason_is_shown_whole_by_its_name_and_as_a_cause(
    reason: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    by_name = explained(capsys, reason.name)

    for words in (
        reason.meaning,
        reason.seen,
        reason.source,
        *(str(Fix(words)) for words in reason.fix),
    ):
        assert words
        assert words in by_name
    assert "Get-NetAdapterRsc" in reason.seen
    assert reason.fix or reason.name == "NoFailure"
    assert f"{reason.name}, " in by_name
    if reason.cause:
        assert explained(capsys, reason.cause) == by_name
        assert by_name.startswith(f"{reason.cause} (")


def test_the_reasons_have_the_numbers_that_are_documented_and_no_others() -> None:
    assert [(reason.name, reason.code) for reason in REASONS] == [
        ("NoFailure", 0),
        ("NicPropertyDisabled", 1),
        ("WFPCompatibility", 2),
        ("NDISCompatibility", 3),
        ("ForwardingEnabled", 4),
        ("NetOffloadGlobalDisabled", 5),
        ("Capability", None),
        ("Unknown", None),
    ]


def test_a_number_that_is_not_documented_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Capability", "Unknown"):
        assert "its number is not documented" in explained(capsys, name)
    assert run(["explain", "6"]) == 2


def test_each_reason_is_another_cause() -> None:
    causes = [reason.cause for reason in REASONS if reason.cause]

    assert sorted(causes) == [
        "capability", "forwarding-enabled", "ndis-compatibility", "nic-property-disabled",
        "offload-globally-disabled", "wfp-compatibility",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "WFPCompatibility",
        "wfpcompatibility",
        "wfp-compatibility",
        "WFP-COMPATIBILITY",
        "wfp_compatibility",
        "2",
    ],
)
def test_a_reason_is_found_however_it_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, name)

    assert [reason["name"] for reason in found["reasons"]] == ["WFPCompatibility"]
    assert ([cause["id"] for cause in found["causes"]], found["topics"]) == (["wfp-compatibility"], {})


def test_a_cause_is_found_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert [cause["id"] for cause in document(capsys, "Guest-Offloads-OFF")["causes"]] == [
        "guest-offloads-off"
    ]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("guest-offload-of", "guest-offloads-off"),
        ("WFPCompatability", "WFPCompatibility"),
        ("tap-offload", "tap-offloads"),
        ("host-disable-checksum", "host-disabled-checksum"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(
    typo: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", typo]) == 2

    assert f"did you mean {meant}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "-", "qqqq", "\x1b[31m", "a" * 10_000])
def test_what_is_nothing_like_a_cause_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--", name]) == 2

    said = capsys.readouterr().err
    assert "`rscvm explain` lists them" in said
    assert "did you mean" not in said
    assert "\x1b" not in said


def test_the_list_goes_up_the_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys).splitlines()

    heads = [line for line in lines if not line.startswith(" ")]
    assert heads == [*(rung for rung in ORDER if rung in heads), "issues", "topics"]
    assert heads[:4] == ["configured", "offered", "negotiated", "passed"]
    names = {line.strip() for line in lines if re.fullmatch(r"  \S.*", line)}
    reasons = {f"{r.name}, by Windows" for r in REASONS if not r.cause}
    of_rungs = {cause.id for cause in CATALOGUE} | reasons
    assert of_rungs | {issue.id for issue in KNOWN_ISSUES} | set(TOPICS) == names


def test_as_json_everything_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys)

    assert {cause["id"] for cause in found["causes"]} == {cause.id for cause in CATALOGUE}
    assert all(cause["seen"] and cause["source"] and cause["fix"] for cause in found["causes"])
    assert [reason["code"] for reason in found["reasons"]] == [0, 1, 2, 3, 4, 5, None, None]
    assert [issue["id"] for issue in found["issues"]] == [issue.id for issue in KNOWN_ISSUES]
    assert found["topics"] == TOPICS


@pytest.mark.parametrize("issue", KNOWN_ISSUES, ids=lambda issue: issue.id)
def test_every_known_issue_is_shown_whole_and_dated(issue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [explained(capsys, name) for name in (issue.id, *issue.also)]

    assert set(texts) == {texts[0]}
    for words in (
        f"{issue.id} (known issue, as of {issue.read})",
        issue.title,
        issue.applies,
        issue.symptom,
        issue.workaround,
        issue.lasts,
        issue.until,
        issue.source,
    ):
        assert words in texts[0]
    assert texts[0] in explained(capsys, "issues")


def test_a_known_issue_is_found_alone_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "1312")

    assert [(issue["id"], issue["read"]) for issue in found["issues"]] == [("1360", BY_ID["1360"].read)]
    assert (found["causes"], found["reasons"], found["topics"]) == ([], [], {})
    assert len(document(capsys, "ISSUES")["issues"]) == len(KNOWN_ISSUES)
    assert document(capsys, "WFPCompatibility")["issues"] == []
