"""What hypothesis makes of good data: anything at all, and lab files with something dropped, copied, renamed or replaced."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from provision.lab.positions import Where
from tests.strategies import Draw

_WORDS = sorted(
    {"version", "hosts", "machines", "labs", "nics", "disks", "image", "block", "cpu", "rsc", "dut", "tap", "ssh", "ask", "offloads",
     "hck", "true", "on", "guest", "linux", "memory", "1GiB", "kernel", "firmware", "code", "local", "bridge", "<<",
     "guest_tso4", "guest_rsc_ext", "${X}", "", "[key]", "a.b", "0", "agent()", "ssh()", "files()"}
)  # fmt: skip
words = st.sampled_from(_WORDS) | st.text(max_size=5)
_NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, float("inf")])
scalars = st.none() | st.booleans() | _NUMBERS | words
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def places(data: Any, where: Where = ()) -> Iterator[Where]:
    """Every place in plain data, the whole first."""
    yield where
    rows = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in rows:
        yield from places(value, (*where, key))


def value_at(data: Any, where: Where) -> Any:
    """What stands at a place."""
    for part in where:
        data = data[part]
    return data


def _mutate(draw: Draw, data: Any) -> Any:
    every = list(places(data))
    if len(every) == 1:
        return data
    *parents, last = draw(st.sampled_from(every[1:]))
    outer: Any = value_at(data, tuple(parents))
    what = draw(st.sampled_from(["drop", "replace", "copy", "rename", "add", "wrap"]))
    if what == "drop":
        del outer[last]
    elif what == "replace":
        outer[last] = draw(anything)
    elif what == "copy":
        outer[last] = copy.deepcopy(value_at(data, draw(st.sampled_from(every))))
    elif what == "wrap":
        outer[last] = [outer[last]]
    elif isinstance(outer, list):
        outer.append(copy.deepcopy(outer[last]))
    else:
        outer[draw(words)] = outer.pop(last) if what == "rename" else copy.deepcopy(outer[last])
    return data


@st.composite
def mutated(draw: Draw, good: st.SearchStrategy[Any]) -> Any:
    """Good data with one to three changes anywhere in it."""
    data = copy.deepcopy(draw(good))
    for _ in range(draw(st.integers(1, 3))):
        data = _mutate(draw, data)
    return data
