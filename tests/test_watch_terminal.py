"""`check --watch` on a terminal: what it writes there, and that it is left as it was found."""

from __future__ import annotations

import fcntl
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
from datetime import UTC, datetime

import pytest

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
