"""Lines that fit a terminal: nothing is lost, and what goes on is indented beneath what it belongs to."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from provision.cli import run
from provision.cli.output import Output, complain
from provision.runtime.wrapped import wrapped
from provision.tables.topics import TOPICS


def lines(text: str, width: int | None, beside: int | None = None) -> list[str]:
    return [line.plain for line in wrapped(Text(text), width, beside)]


@pytest.mark.parametrize(
    ("text", "beside", "shown"),
    [
        ("  fix: ethtool -K vnet0 tx on and on", None, ["  fix: ethtool -K vnet0 tx on", "       and on"]),
        ("a line that is too long for this", None, ["a line that is too long for", "  this"]),
        ("  make bridge br0: it is not there", None, ["  make bridge br0: it is not", "    there"]),
        ("READY  a  seen of it and of more", 10, ["READY  a  seen of it and of", "          more"]),
        ("READY  a  seen of it and of more", 20, ["READY  a  seen of it and of", "  more"]),
        ("read " + "x" * 40, None, ["read", "  " + "x" * 40]),
        ("a  b  " + "x" * 40, 6, ["a  b  " + "x" * 24, "      " + "x" * 16]),
        ("it fits", 3, ["it fits"]),
        ("hint: do it so: `rscvm fix a b`, or so", None, ["hint: do it so:", "      `rscvm fix a b`, or so"]),
        (
            "hint: by `rscvm fix --connect qemu:///system web`: it mends it",
            None,
            ["hint: by", "      `rscvm fix --connect qemu:///system web`:", "      it mends it"],
        ),
        ("a ` alone breaks at any blank, too", None, ["a ` alone breaks at any", "  blank, too"]),
        ("on  tso4 is on, tso6 off [requested on]", 4, ["on  tso4 is on, tso6 off", "    [requested on]"]),
    ],
)
def test_what_goes_on_stands_beneath_what_it_belongs_to(
    text: str, beside: int | None, shown: list[str]
) -> None:
    assert lines(text, 30, beside) == shown


def test_without_a_width_every_line_is_as_it_is() -> None:
    assert lines("x " * 500, None) == ["x " * 500]


@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), max_size=200),
    width=st.integers(1, 90),
    beside=st.none() | st.integers(0, 40),
)
def test_no_line_is_too_wide_and_nothing_is_lost(text: str, width: int, beside: int | None) -> None:
    shown = lines(text, width, beside)

    assert "".join("".join(shown).split()) == "".join(text.split())
    words = re.findall(r"(?:`[^`]*`|\[[\w ]{1,24}\]|\S)+", text) if beside is None else text
    widest = max(map(cell_len, words), default=0)
    assert all(cell_len(line) <= max(width, widest + 10) for line in shown)


def test_colours_stay_where_they_are() -> None:
    first, second = wrapped(Text.assemble(("bad", "red"), " and much that is good"), 18)

    assert [(span.start, span.end, span.style) for span in first.spans if span.style] == [(0, 3, "red")]
    assert [span for span in second.spans if span.style] == []


class Terminal(io.StringIO):
    """Where somebody reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Makes a terminal of so many columns of stdout and stderr."""

    def made(columns: int) -> Terminal:
        found = Terminal()
        monkeypatch.setattr(sys, "stdout", found)
        monkeypatch.setattr(sys, "stderr", found)
        monkeypatch.setenv("COLUMNS", str(columns))
        return found

    return made


def said(output: Output) -> None:
    output.show([Text("word " * 30)])
    output.prose("word " * 30)
    output.line("word " * 30)
    output.say("word " * 30)
    complain("word " * 30, hint="word " * 30)


def test_whatever_is_said_fits_the_terminal(terminal: Callable[[int], Terminal]) -> None:
    there = terminal(40)
    said(Output(color="never"))

    shown = there.getvalue().splitlines()
    assert max(map(len, shown)) <= 40
    assert len(shown) >= 6 * 4


def test_where_there_is_no_terminal_lines_are_whole_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's readline has COLUMNS in the environment of all that is started."""
    monkeypatch.setenv("COLUMNS", "40")
    said(Output())

    told = capsys.readouterr()
    assert Output().width is None
    assert (len(told.out.splitlines()), len(told.err.splitlines())) == (3, 3)


TOPIC = """# A heading that is longer than the terminal has columns

A paragraph of
two lines: they are one.
- An item of
  two lines.
- Another.

      ethtool -K TAP tx off && a command that is longer than that
| a table's row | that is longer than the terminal |

#!/bin/sh
# A script's line that is longer than the terminal has columns, and that must stay one.
exit 0
"""


def test_paragraphs_of_a_document_are_wrapped_and_what_is_to_be_copied_stays_as_it_is(
    terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    Output().document(TOPIC)
    assert capsys.readouterr().out == TOPIC

    there = terminal(30)
    Output().document(TOPIC)
    shown = there.getvalue().splitlines()

    kept = [line for line in TOPIC.splitlines() if line.startswith(("#", "|", "     ", "exit"))]
    assert [line for line in shown if line in kept] == kept
    assert "A paragraph of two lines: they" in shown
    assert [line for line in shown if line.startswith("-")] == ["- An item of two lines.", "- Another."]


@pytest.mark.parametrize("topic", [*TOPICS])
def test_nothing_of_a_topic_is_lost_on_a_terminal(
    topic: str, terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", topic]) == 0
    whole = capsys.readouterr().out
    there = terminal(80)
    assert run(["explain", topic]) == 0

    assert there.getvalue().split() == whole.split()
