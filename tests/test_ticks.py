"""`check --watch`: what a tick looks like."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from rich.cells import cell_len
from rich.console import Console

from provision.runtime.errors import HostError
from provision.verify.report.ticks import NONE_LOST, Lost, Tick, as_json_line, as_table, rate
from tests.verdicts import HOSTILE

Golden = Callable[[str, str], None]

WHEN = datetime(2026, 11, 22, 13, 0, 5, tzinfo=timezone(timedelta(hours=1)))
ROWS = [
    Tick(
        "local",
        "linux",
        "net0",
        "vnet0",
        3.4e9 / 8,
        6640.0,
        64_000.4,
        "ready",
        None,
        (1514.0, 30_000.0, None, 64_000.4),
    ),
    Tick(
        *(
            "local",
            "win2022",
            "net0",
            "vnet3",
            0.85e9 / 8,
            70_833.0,
            1500.0,
            "not-ready",
            "guest-offloads-off",
        ),
        past=(64e3, 64e3, 64e3, 64e3, 64e3, 1500.0, 1500.0, 1500.0, 1500.0),
    ),
    Tick("local", "spare", "net0", None, None, None, None, "unknown", "machine-off"),
    Tick("local", "idle", "net0", "vnet5", 0.0, 0.0, None, "ready", None),
]


def printed(rows: list[Tick], width: int = 100, most: int | None = None, lost: Lost = NONE_LOST) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(as_table(rows, WHEN, most, lost))
    return file.getvalue().splitlines()


def test_the_table_is_as_it_was(golden: Golden) -> None:
    golden("report/watch.txt", "\n".join(line.rstrip() for line in printed(ROWS)) + "\n")


def test_the_table_of_a_full_row_fits_into_80_columns_and_a_wide_one_shows_more_of_the_past() -> None:
    wide = io.StringIO()
    Console(file=wide, width=140).print(as_table(ROWS, WHEN, past=24))

    assert any("█▁▁▁▁  1500 B  guest-offloads-off" in line for line in printed(ROWS, 80))
    assert "  █████▁▁▁▁  1500 B" in wide.getvalue()
    assert "▁▄·█ 64000 B" in wide.getvalue()


def test_a_json_line_is_one_line_in_utc_with_every_nic() -> None:
    line = as_json_line(ROWS, WHEN)

    document = json.loads(line)
    assert "\n" not in line
    assert (document["schema"], document["when"]) == ("rscvm/watch/1", "2026-11-22T12:00:05Z")
    assert document["nics"][0] == {
        "host": "local",
        "machine": "win2022",
        "nic": "net0",
        "tap": "vnet3",
        "bytes_per_second": 0.85e9 / 8,
        "packets_per_second": 70_833.0,
        "mean_frame": 1500.0,
        "verdict": "not-ready",
        "cause": "guest-offloads-off",
    }
    assert [nic["verdict"] for nic in document["nics"]] == ["not-ready", "unknown", "ready", "ready"]


@pytest.mark.parametrize(
    ("bytes_per_second", "words"),
    [
        (None, "-"),
        (0.0, "0.0 Mb/s"),
        (1.0, "<0.1 Mb/s"),
        (1e6, "8.0 Mb/s"),
        (124.99e6, "999.9 Mb/s"),
        (124.9999e6, "1.00 Gb/s"),
        (35e9 / 8, "35.00 Gb/s"),
    ],
)
def test_a_rate_is_in_the_unit_of_links(bytes_per_second: float | None, words: str) -> None:
    assert rate(bytes_per_second) == words


def test_what_was_not_measured_is_not_a_zero() -> None:
    spare = next(line for line in printed(ROWS) if "spare" in line)

    assert re.search(r"spare\.net0 +- +- +- +machine-off", spare)


def test_of_too_many_the_worst_are_shown_and_the_others_counted() -> None:
    lines = printed([replace(ROWS[0], machine=f"vm{i}") for i in range(50)] + ROWS[1:2], most=3)

    assert len(lines) == 6
    assert "win2022" in lines[2]
    assert lines[-1].strip() == "… and 48 more"


def test_a_host_that_is_watched_no_more_stays_in_sight_with_the_reason() -> None:
    lost = {"hv1": HostError("hv1 is gone\n\x1b[2J" + "x" * 300), "hv2": HostError("no route", hint="try")}
    lines = printed([replace(ROWS[0], machine=f"vm{i}") for i in range(50)], most=5, lost=lost)

    assert len(lines) == 2 + 3 + 3
    assert lines[-3].strip() == "… and 47 more"
    assert lines[-2].startswith("hv1, watched no more: hv1 is gone")
    assert lines[-1].strip() == "hv2, watched no more: no route"
    assert all(line.isprintable() and cell_len(line) <= 100 for line in lines)
    assert json.loads(as_json_line(ROWS, WHEN, lost))["errors"][1] == {
        "host": "hv2",
        "message": "no route",
        "hint": "try",
    }


def test_hosts_are_told_apart_where_there_are_several() -> None:
    assert "hv2" in "\n".join(printed([*ROWS, replace(ROWS[0], host="hv2")]))
    assert "local" not in "\n".join(printed(ROWS))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("width", [30, 80, 400])
def test_no_name_breaks_the_table_or_the_line(text: str, width: int) -> None:
    rows = [Tick(text, text, text, text, 1e9, 1e6, 1e3, "not-ready", text), *ROWS]

    lines = printed(rows, width)

    assert len(lines) == 2 + len(rows)
    assert all(line.isprintable() and cell_len(line) <= width for line in lines)
    line = as_json_line(rows, WHEN)
    assert line.isascii()
    assert line.isprintable()
    assert text in [nic["machine"] for nic in json.loads(line)["nics"]]


def test_numbers_outlive_names_on_a_narrow_terminal() -> None:
    lines = printed([replace(ROWS[0], machine="m" * 60, cause="c" * 30)], width=60)

    assert "READY" in lines[2]
    assert "3.40 Gb/s" in lines[2]
    assert "64000 B" in lines[2]
