"""What a guest calls itself and its parts steers no terminal, no page and no shell, wherever it is shown."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from provision.cli.output import Output
from provision.facts.guest import Binding, Callout
from provision.verbs.fix.in_guest import guest_mends
from provision.verify.evidence import NicEvidence
from provision.verify.judge.verdict import judge_nic
from provision.verify.report.document import as_json
from provision.verify.report.html import as_html
from provision.verify.report.junit import as_junit
from provision.verify.report.text import shown
from tests.builders import nic
from tests.guests import REASONS_NAMED, linux, windows

NASTY = "\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>'; Stop-Computer #\u2019`$(reboot){tap}{machine}\u202e\u2028\x00\r\n"
WHEN = datetime(2026, 11, 29, tzinfo=UTC)


def hostile(reason: str, *, nat: bool = True) -> NicEvidence:
    guest = windows(
        reason, reason, name=NASTY, switch=NASTY, nat=nat, defender=True,
        bindings=(Binding(NASTY, NASTY, NASTY, NASTY, is_filter=True),), callouts=(Callout(NASTY, driver=NASTY),),
        troubles=(NASTY,), release=NASTY, keywords={NASTY: NASTY},
    )  # fmt: skip
    return nic(guest=guest, machine="vm", tap="tap0")


@pytest.mark.parametrize("reason", [*REASONS_NAMED, "Capability", "Unknown", "NoFailure"])
def test_nothing_that_a_guest_says_steers_a_terminal_or_a_page(
    reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [judge_nic(hostile(reason))]

    Output().show(shown(verdicts, width=100))
    Output().json(as_json(verdicts))

    text, page = capsys.readouterr().out, as_html(verdicts, when=WHEN, title="x", errors={})
    assert not {c for c in text if not c.isprintable() and c != "\n"}
    assert "<script>alert" not in page
    assert not {c for c in page if not c.isprintable() and c not in "\n\t\r\xa0"}
    etree.fromstring(as_junit(verdicts, WHEN, {}, "").encode())


def test_a_command_for_powershell_has_the_name_as_one_literal() -> None:
    [mend] = guest_mends([judge_nic(hostile("NicPropertyDisabled", nat=False))])

    quoted = mend.change.what.removeprefix("Enable-NetAdapterRsc -Name ")
    assert quoted.startswith("'")
    inside = quoted[1 : quoted.rindex("'")].replace("''", "").replace("\u2019\u2019", "")
    assert not {"'", "\u2018", "\u2019", "\u201a", "\u201b"} & {*inside}
    assert "{tap}" in quoted
    assert all("tap0" not in each for each in judge_nic(hostile("NicPropertyDisabled")).fix)


def test_a_command_for_a_shell_has_the_name_as_one_word() -> None:
    guest = linux(on=False)
    assert guest.adapter is not None
    named = replace(guest, adapter=replace(guest.adapter, name=NASTY))
    [mend] = guest_mends([judge_nic(nic(guest=named))])

    assert shlex.split(mend.change.what) == ["ethtool", "-K", NASTY, "rx-gro-hw", "on"]
