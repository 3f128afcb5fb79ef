"""Many verdicts at a glance: counts, order, and a table that no name breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from provision.runtime.safe_text import cell
from provision.verify.report.document import as_json
from provision.verify.report.summary import summed, worst_first
from provision.verify.report.text import as_text, shown
from tests.verdicts import HOSTILE, broken, every_kind, host_off, hostile, meant_off, off, ready, silent

Golden = Callable[[str, str], None]


def plain(*args: Any, **options: Any) -> list[str]:
    return [line.plain for line in shown(*args, **options)]


def test_the_worst_come_first_then_the_earlier_rung_then_the_name() -> None:
    ordered = worst_first(every_kind())

    assert [(found.evidence.host, found.evidence.machine, found.evidence.nic) for found in ordered] == [
        ("local", "win2022", "net0"),  # configured
        ("hv2", "win11", "net0"),  # passed
        ("local", "win2019", "net0"),
        ("local", "spare", "net0"),  # unknown, of a cause
        ("hv2", "old", "net0"),  # unknown, of none
        ("hv2", "router", "net0"),
        ("local", "linux", "net0"),
        ("local", "linux", "net1"),
    ]


def test_every_nic_is_counted_once_by_verdict_and_by_cause() -> None:
    summary = summed(every_kind())

    assert summary.verdicts == {"not-ready": 3, "unknown": 2, "ready": 3}
    assert list(summary.causes.items()) == [
        (("not-ready", "guest-offloads-off"), 1),
        (("not-ready", "host-disabled-checksum"), 2),
        (("unknown", "machine-off"), 1),
        (("unknown", ""), 1),
    ]


def test_json_has_the_summary_beside_the_nics() -> None:
    document = as_json(every_kind())

    assert document["summary"] == {
        "ready": 3,
        "unknown": 2,
        "not-ready": 3,
        "causes": {"guest-offloads-off": 1, "host-disabled-checksum": 2, "machine-off": 1},
    }
    assert [nic["machine"] for nic in document["nics"]][:2] == ["linux", "linux"]  # as they were asked for


def test_json_of_nothing_counts_nothing() -> None:
    assert as_json([])["summary"] == {"ready": 0, "unknown": 0, "not-ready": 0, "causes": {}}


def test_one_nic_is_its_ladder_and_nothing_more() -> None:
    assert plain([broken()]) == [line.plain for line in as_text([broken()])]


def test_a_few_nics_are_their_ladders_and_one_line() -> None:
    verdicts = [broken(), ready()]

    lines = plain(verdicts)

    assert lines[:-1] == [line.plain for line in as_text(verdicts)]
    assert lines[-1] == "2 NICs: 1 not ready, 1 ready"


def test_many_nics_are_a_table(golden: Golden) -> None:
    golden("report/table.txt", "\n".join(plain(every_kind())) + "\n")


def test_many_nics_fit_a_terminal(golden: Golden) -> None:
    golden("report/table-80.txt", "\n".join(plain(every_kind(), width=80)) + "\n")


def test_six_are_few_and_seven_are_many() -> None:
    assert "configured" in "\n".join(plain([ready()] * 6))
    assert "configured" not in "\n".join(plain([ready()] * 7))


@pytest.mark.parametrize(("ladders", "there"), [(True, True), (False, False)])
def test_who_asks_for_ladders_or_a_table_gets_it(ladders: bool, there: bool) -> None:  # noqa: FBT001
    few, many = plain([ready()], ladders=ladders), plain([ready()] * 9, ladders=ladders)

    assert ("configured" in "\n".join(few), "configured" in "\n".join(many)) == (there, there)


def test_nothing_is_shown_as_nothing() -> None:
    assert shown([]) == shown([], ladders=False) == []


def test_where_nothing_is_wrong_there_is_nothing_to_explain() -> None:
    assert "explain" in plain([off()] * 7)[-1]
    assert plain([silent()] * 7)[-1] == "  unknown    7  no cause known"
    assert plain([ready()] * 7)[-1] == "7 NICs: 7 ready"


def test_rsc_that_is_meant_to_be_off_is_not_sold_as_working() -> None:
    assert "RSC is off, as it is meant to be" in plain([meant_off()], ladders=False)[1]


def test_one_host_needs_no_column() -> None:
    assert plain([ready()], ladders=False)[0].split() == ["verdict", "NIC", "TAP", "cause", "seen"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("width", [None, 20, 40, 80, 200])
def test_no_name_breaks_the_table(text: str, width: int | None) -> None:
    verdicts = [hostile(text), hostile("a"), *every_kind()]

    lines = plain(verdicts, width=width)[: len(verdicts) + 1]

    assert all(line.isprintable() for line in lines)
    assert {line.split()[0] for line in lines[1:]} == {"NOT-READY", "UNKNOWN", "READY"}
    assert max(map(len, lines)) < 1000
    assert all(cell_len(line) <= (width or 1000) for line in lines)


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("vnet0", 5, "vnet0"),
        ("vnet10", 5, "vnet…"),
        ("漢字", 3, "漢…"),
        ("漢字", 4, "漢字"),
        ("\x1b[2J", 40, "\\x1b[2J"),
        ("a" + "\u0301" * 99, 3, "a\u0301…"),
        ("x", 0, ""),
    ],
)
def test_a_cell_keeps_to_its_columns(text: str, most: int, cut: str) -> None:
    assert cell(text, most) == cut


def test_a_fix_can_be_pasted_whatever_the_tap_is_called() -> None:
    assert host_off(tap="a;reboot").fix[0] == "ethtool -K 'a;reboot' tx on"
