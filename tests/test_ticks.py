"""`check --watch`: what a tick looks like, and a terminal that is left as it was found."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from rich.cells import cell_len
from rich.console import Console

from provision.runtime.errors import HostError
from provision.verify.report.ticks import NONE_LOST, Lost, Tick, as_json_line, as_table, rate
from tests.verdicts import HOSTILE

Golden = Callable[[str, str], None]

WHEN = datetime(2026, 11, 22, 13, 0, 5, tzinfo=timezone(timedelta(hours=1)))
ROWS = [
    Tick("local", "linux", "net0", "vnet0", 3.4e9 / 8, 6640.0, 64_000.4, "ready", None),
    Tick(
        "local", "win2022", "net0", "vnet3", 0.85e9 / 8, 70_833.0, 1500.0, "not-ready", "guest-offloads-off"
    ),
    Tick("local", "spare", "net0", None, None, None, None, "unknown", "machine-off"),
    Tick("local", "idle", "net0", "vnet5", 0.0, 0.0, None, "ready", None),
]

WATCHER = """\
import fcntl, signal, sys, termios, time
from datetime import UTC, datetime
from provision.cli.watch import watching
from provision.cli.output import Output
from provision.runtime.interrupt import listen
from provision.verify.report.ticks import Tick
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
listen(lambda: None)
rows = [Tick("local", f"vm{i:02}", "net0", "vnet0", 1e8, 1e4, 1e4, "ready", None) for i in range(50)]
try:
    with watching(Output(color=sys.argv[1])) as show:
        for _ in range(100):
            show(rows, datetime.now(UTC), {})
            time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted")
"""
ENTER, LEAVE, HIDE, SHOW = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h"


def printed(rows: list[Tick], width: int = 100, most: int | None = None, lost: Lost = NONE_LOST) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(as_table(rows, WHEN, most, lost))
    return file.getvalue().splitlines()


def watched(
    until: str, then: Callable[[int, int], object], color: str = "auto", **environment: str
) -> tuple[str, bool]:
    """All that a watcher wrote to its terminal of 24 lines, and whether that has its settings back."""
    terminal, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(there)
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, color],
        stdin=there, stdout=there, stderr=there, start_new_session=True,
        env={**kept, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    try:
        text, done, deadline = "", False, time.monotonic() + 20
        while time.monotonic() < deadline:
            over = watcher.poll() is not None
            if select.select([terminal], [], [], 0.05)[0]:
                text += os.read(terminal, 65536).decode(errors="replace")
            elif over:
                break
            if until in text and not done:
                then(terminal, watcher.pid)
                done = True
        assert watcher.wait(timeout=20) == 0, text
        return text, termios.tcgetattr(there) == before
    finally:
        watcher.kill()
        watcher.wait()
        os.close(terminal)
        os.close(there)


def ctrl_c(terminal: int, _pid: int) -> None:
    os.write(terminal, b"\x03")


def test_the_table_is_as_it_was(golden: Golden) -> None:
    golden("report/watch.txt", "\n".join(line.rstrip() for line in printed(ROWS)) + "\n")


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


def left_clean(text: str) -> bool:
    """Whether the screen was left as often as entered, and the cursor was shown last."""
    codes = re.findall(r"\x1b\[\?(?:1049|25)[hl]", text)
    return codes.count(ENTER) == codes.count(LEAVE) == 1 and codes[-1] in {SHOW, LEAVE} and (
        text.rindex(SHOW) > text.rindex(HIDE)
    )  # fmt: skip


@pytest.mark.parametrize("moment", [ENTER, HIDE, "vm00", "… and "])
def test_ctrl_c_leaves_the_terminal_as_it_was(moment: str) -> None:
    text, settings = watched(moment, ctrl_c)

    assert left_clean(text)
    assert settings
    assert text.rindex("interrupted") > text.rindex(LEAVE)  # said on the screen that stays


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_the_terminal_is_as_it_was(number: signal.Signals) -> None:
    text, settings = watched("vm00", lambda _, pid: os.kill(pid, number))

    assert left_clean(text)
    assert settings


def test_a_screen_is_filled_and_not_overrun() -> None:
    text, _ = watched("… and ", ctrl_c)

    assert "… and 29 more" in text  # 24 lines: title, header, 21 NICs, this one
    assert "vm20" in text
    assert "vm21" not in text


@pytest.mark.parametrize(
    ("color", "environment", "green"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_are_there_where_they_are_wanted(
    color: str,
    environment: dict[str, str],
    green: bool,  # noqa: FBT001
) -> None:
    text, _ = watched("vm00", ctrl_c, color, **environment)

    assert ("\x1b[1;32mREADY" in text) == green
    assert left_clean(text)


def test_without_colours_there_is_no_style_either() -> None:
    text, _ = watched("vm00", ctrl_c, "never")

    assert re.search(r"\x1b\[[\d;]*m", text) is None


def test_a_dumb_terminal_gets_blocks() -> None:
    text, _ = watched("vm49.net0", ctrl_c, TERM="dumb")

    assert "\x1b" not in text
    assert "vm49.net0" in text  # more than a screen of lines, and none held back


@pytest.mark.parametrize(("color", "styled"), [("auto", False), ("always", True)])
def test_without_a_terminal_each_tick_is_a_block(color: str, styled: bool) -> None:  # noqa: FBT001
    code = WATCHER.replace("fcntl.ioctl(0, termios.TIOCSCTTY, 0)", "").replace("range(100)", "range(2)")
    done = subprocess.run([sys.executable, "-c", code, color], capture_output=True, text=True, check=True)

    blocks = done.stdout.strip("\n").split("\n\n")
    assert len(blocks) == 2
    assert all(len(block.splitlines()) == 52 for block in blocks)
    assert ("\x1b[1;32m" in done.stdout) == styled
    assert ENTER not in done.stdout
    assert HIDE not in done.stdout
    assert datetime.now(UTC).strftime("%Y-") in blocks[0]
