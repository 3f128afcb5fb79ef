"""Text of others steers no terminal, in whatever form it is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.cli.output import complain
from provision.runtime.errors import HostError
from provision.runtime.safe_text import json_text, quoted

JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from([None, 2]))
def test_json_is_what_was_said_and_every_character_of_it_can_be_seen(
    document: object, indent: int | None
) -> None:
    text = json_text(document, indent=indent)

    assert json.loads(text) == document
    assert all(c.isprintable() or c == "\n" for c in text)


def test_what_can_be_read_stands_as_it_is() -> None:
    evil = "\x9b2J\x7f\u202e\u2028\ud800\x1b"
    assert json_text({"é": evil}) == '{"é": "\\u009b2J\\u007f\\u202e\\u2028\\ud800\\u001b"}'


@given(st.text(st.characters(codec="utf-8")))
def test_what_others_said_starts_no_line_but_the_first(text: str) -> None:
    first, *more = quoted(text * 3).split("\n")

    assert all(line.startswith("  ") for line in more)
    assert all(c.isprintable() for line in (first, *more) for c in line)
    assert len(more) < 6


def test_of_much_that_others_said_the_end_is_quoted() -> None:
    assert quoted("a\n" * 9_000_000 + "the end") == "a\n  a\n  a\n  a\n  a\n  the end"
    assert len(quoted("x" * 9_000_000)) < 400


def test_a_message_starts_no_line_that_looks_like_ours(capsys: pytest.CaptureFixture[str]) -> None:
    complain("libvirt said\nrscvm: all is ready\nhint: rm", hint="look\nrscvm: there\x1b[2J\u202e")

    assert capsys.readouterr().err.splitlines() == [
        "rscvm: libvirt said",
        "  rscvm: all is ready",
        "  hint: rm",
        "hint: look",
        "  rscvm: there\\x1b[2J\\u202e",
    ]


def test_a_message_is_as_long_as_a_person_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    complain(str(HostError("x" * 50_000_000)), hint="y\n" * 100_000)

    assert len(capsys.readouterr().err) < 10_000
