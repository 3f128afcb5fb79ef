"""Text of others steers no terminal, in whatever form it is shown."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from provision.runtime.safe_text import json_text

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
