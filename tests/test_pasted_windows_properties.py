"""Whatever form it is pasted in, what Windows says of RSC reads back as it was; no paste is too strange or too long."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provision.edges.files.pasted_files import read_pasted
from provision.facts.pasted_windows import parse_windows
from provision.runtime.errors import RequestError
from tests.pastes import verdicts
from tests.printed import AROUND, COLUMNS, FORMS, REASONS, Rsc, read

if TYPE_CHECKING:
    from collections.abc import Sequence

BOTH = st.tuples(st.booleans(), st.booleans())
LETTERS = "abz019-_#()ÄéЖёイ太网"
NAMES = st.lists(
    st.text(LETTERS, min_size=1, max_size=6) | st.sampled_from(["Ethernet", "イーサネット", "vEthernet", "2", "True", "Name", "---"]),
    min_size=1, max_size=3,
).map(" ".join).filter(lambda name: len(name) < 14)  # fmt: skip
ADAPTERS = st.builds(Rsc, NAMES, BOTH, BOTH, st.tuples(st.sampled_from(REASONS), st.sampled_from(REASONS)))
RULE = "all on one line"
"""A form in which a name of hyphens is nothing but more of the ruler."""


def named_like_a_ruler(adapters: Sequence[Rsc]) -> bool:
    return any("--" in each.name or each.name.startswith("-") for each in adapters)


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(ADAPTERS, min_size=1, max_size=4), st.sampled_from(sorted(AROUND)))
def test_every_form_reads_back_to_the_same(form: str, adapters: Sequence[Rsc], around: str) -> None:
    assume(form != RULE or not named_like_a_ruler(adapters))
    text = AROUND[around](FORMS[form](adapters))

    assert read(text) == adapters


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(ADAPTERS, min_size=1, max_size=3), st.floats(0, 1), st.sampled_from(sorted(AROUND)))
def test_what_is_cut_off_anywhere_is_told_as_it_was_or_not_at_all(
    form: str, adapters: Sequence[Rsc], share: float, around: str
) -> None:
    assume(form != RULE or not named_like_a_ruler(adapters))
    text = AROUND[around](FORMS[form](adapters))

    for found, there in zip(read(text[: int(len(text) * share)]), adapters, strict=False):
        assert set(zip(found.enabled, there.enabled, strict=True)) <= UNCHANGED
        assert set(zip(found.operational, there.operational, strict=True)) <= UNCHANGED
        assert all(one in ("", other) for one, other in zip(found.reasons, there.reasons, strict=True))


UNCHANGED = {(True, True), (False, False), (None, True), (None, False)}


@given(st.lists(ADAPTERS, min_size=1, max_size=3), st.sampled_from(["utf-16", "utf-8-sig", "utf-8"]))
def test_the_encodings_of_windows_are_read(adapters: Sequence[Rsc], encoding: str) -> None:
    text = FORMS["list"](adapters).replace("\n", "\r\n")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "rsc.txt"
        path.write_bytes(text.encode(encoding))
        pasted = read_pasted(str(path), BytesIO())

    assert read(pasted["rsc.txt"]) == adapters


PIECES = [*COLUMNS, "Name : ", " : ", "True ", "False ", "NoFailure ", "N… ", "---- ---- ", "-", " ", "\n", "\t", '{"', "[", "]", "}", "MacAddress : ",
          "52-54-00-00-00-01", "RTO : 1000\n", "SACK : disabled\n", "1323 : x\n", "*RscIPv4 {0}", "PS C:\\> ", "ReceiveSegmentCoalescing : Disabled\n", "6 ", "太", "\\n"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=80).map("".join))
def test_no_paste_makes_a_traceback_or_a_ready(text: str) -> None:
    try:
        found = verdicts(text)
    except RequestError:
        return
    assert "ready" not in {each.verdict for each in found}


@pytest.mark.parametrize(
    "piece",
    [*PIECES, "---- ---\n", "Name IPv4FailureReason ---- ---- ", '[{"', '{"a":', "Name IPv4Enabled\n---- ---\nx True\n", "IPv4FailureReason : x\n",
     "IPv4FailureReason\n" * 3, "a b True True True True NoFailure NoFailure\n", "x : y\n", "x: 1 ", "RTO", "'IPv4FailureReason", "\\", '\\"'],
)  # fmt: skip
def test_a_long_paste_takes_no_longer_than_its_length(piece: str) -> None:
    text = f"IPv4FailureReason\n{piece * 300_000}"[:300_000]

    begun = time.process_time()
    parse_windows(text)

    assert time.process_time() - begun < 5
