"""What takes long is shown on stderr: where, how, and for how long; and what does not wait is not in its way."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Event

import pytest

from provision.cli.output import Output
from provision.cli.progress import Showing, progress
from provision.host.read.capabilities import measure_accelerators
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import WaitedError
from provision.runtime.underway import Work, told_to, underway
from tests.heard import Heard
from tests.recorded_answers import LAB
from tests.recorded_host import RecordedEdges

LONG = 20
"""Seconds that something that takes an instant may take on a machine that is busy."""


def assert_soon(seen: Callable[[], bool]) -> None:
    wait_for(seen, Deadline(LONG), "what the test is about", every=0.01)


def test_what_is_under_way_has_ended_however_its_block_does() -> None:
    heard = Heard()

    with told_to(heard), suppress(ZeroDivisionError), underway("dividing", 3):
        assert (heard.begun, heard.ended) == ([("dividing", 3)], [])
        raise ZeroDivisionError

    assert heard.ended == ["dividing"]
    with underway("nobody listens"):
        pass
    assert heard.ended == ["dividing"]


def test_measuring_the_accelerators_is_told() -> None:
    heard = Heard()

    with told_to(heard):
        measure_accelerators(RecordedEdges().runner, LAB)

    assert heard.begun == [("measuring KVM and TCG on local", 90)]
    assert heard.ended == ["measuring KVM and TCG on local"]


def test_what_is_waited_for_is_told() -> None:
    heard = Heard()

    with told_to(heard), pytest.raises(WaitedError):
        wait_for(lambda: False, Deadline(0), "the guests' drivers")

    assert heard.begun == [("waiting for the guests' drivers", 0)]
    assert heard.ended == ["waiting for the guests' drivers"]


def test_a_line_comes_every_so_often_until_its_work_has_ended() -> None:
    lines, later = list[str](), Event()

    def show(line: str) -> None:
        lines.append(line)
        if "later" in line:
            later.set()

    showing = Showing(show, 0.01)
    first, second = Work("first", 60), Work("second")
    showing.begin(first)
    showing.begin(second)
    assert_soon(lambda: len(lines) > 1)
    showing.end(first)
    showing.end(second)
    showing.begin(Work("later"))
    assert later.wait(LONG)
    showing.stop()

    at = lines.index("later: 0 s")
    assert "first: 0 s of 60 s at most (and 1 more)" in lines[:at]
    assert all(line.startswith("later") for line in lines[at:]), "nothing of what has ended"


def test_quietness_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Output(quiet=True)), underway("something") as _:
        pass
    with progress(Output()), underway("something"):
        pass

    said = capsys.readouterr()
    assert said.out == said.err == "", "and what takes an instant is not worth a line"


_ON_A_TERMINAL = """
import time
from provision.cli.output import Output
from provision.cli import progress
from provision.runtime.underway import underway
progress._RENEWED = 0.05
output = Output(quiet={quiet})
with progress.progress(output), underway("a long thing " * 20):
    time.sleep(1)
    output.say("a word in between")
    time.sleep(1)
print("the result")
"""


@pytest.mark.parametrize("quiet", [False, True])
def test_on_a_terminal_one_line_is_renewed_that_fits_and_gives_way(*, quiet: bool) -> None:
    ours, its = pty.openpty()
    script = _ON_A_TERMINAL.format(quiet=quiet)
    environment = {**os.environ, "TERM": "xterm"}

    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=its, env=environment, check=True
    )
    os.close(its)
    said = b""
    with suppress(OSError):  # its other end is closed
        while more := os.read(ours, 4096):
            said += more
    os.close(ours)

    assert done.stdout == b"the result\n"
    if quiet:
        assert said == b""
        return
    before, after = said.decode().split("a word in between\r\n")
    assert before.endswith("\r\x1b[K")
    assert after.endswith("\r\x1b[K"), "what comes next has the line for itself"
    shown = [line for part in (before, after) for line in part.split("\r\x1b[K") if line]
    assert len(shown) > 2
    assert all(line.startswith("a long thing") and len(line) < 80 for line in shown)


def test_in_a_file_a_line_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output, showing = Output(), Showing(Output().say, 0.01)
    work = Work("something")

    showing.begin(work)
    assert_soon(lambda: "something" in capsys.readouterr().err)
    showing.end(work)
    showing.stop()
    capsys.readouterr()
    output.say("and more")

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "and more\n")
