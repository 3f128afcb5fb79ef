"""What may be a secret is masked within JSON that stays JSON, and in no text takes more than its length has."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.guest_answer import answer_of, masked_answer
from provision.runtime.masked import (
    masked_document,
    masked_json,
    masked_output,
    masked_text,
    masked_word,
    masked_xml,
)
from provision.verbs.check import Look, check
from provision.verbs.rejudge import judge_saved
from provision.verify.collect.source import domain_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.saved.files import INDEX, Request, Saved, as_files, parse_saved
from provision.verify.saved.record import Recorder
from tests.asked_guests import Guest, answer, host
from tests.builders import FIXTURES
from tests.recordings import ran, saved

SECRET = "pl4nted"  # noqa: S105 - a test's
BEGINNING = '{"rscvm": "windows/1", '
QUOTED = {
    'LAN token="pl4nted" 2': "LAN token=*** 2",
    "password='pl4nted pl4nted'": "password=***",
    "cannot open C:\\x with password=pl4nted\\": "cannot open C:\\x with password=***",
    "password=pl4nted\nand the next line": "password=***\nand the next line",
    'GET http://h/?pl4nted"': 'GET http://h/?***"',
    'Authorization: Basic pl4nted"': 'Authorization: Basic ***"',
    "--password pl4nted": "--password ***",
    'it said {"password": "x\\"pl4nted"}': 'it said {"password": "***"}',
}
TO_THE_LETTER = (
    '{"a" : 1.50,\n "a": "\\u0041\\/ \\ud800", "\\u00e9": "é\\\\" , "b":[ ]}\n',
    '"token"',
    '{"token": "", "key": 7, "data": ["token", "x"]}',
)


@pytest.mark.parametrize("said", QUOTED)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_string_that_has_a_secret_is_masked_and_json_stays_json(said: str, *, ascii_only: bool) -> None:
    document = {"é": [said, {"x": said, said: "x"}], "n": 1.5}

    masked = masked_document(json.dumps(document, ensure_ascii=ascii_only))

    left = QUOTED[said]
    assert json.loads(masked) == {"é": [left, {"x": left, left: "x"}], "n": 1.5}
    assert masked.isascii() == ascii_only


def test_a_quotation_mark_that_a_powershell_writes_as_a_number_ends_no_secret() -> None:
    """Windows PowerShell 5.1 does so with `'`, `&`, `<` and `>`."""
    assert masked_document('["password=\\u0027a pl4nted\\u0027 b"]') == '["password=*** b"]'


@pytest.mark.parametrize("key", ["password", "Token", "file.password", "cmdline"])
def test_what_a_key_says_to_be_a_secret_is_masked(key: str) -> None:
    assert masked_document(f'{{"{key}" :\n "a\\"pl4nted", "b": "c"}}') == f'{{"{key}" :\n "***", "b": "c"}}'
    assert masked_json({key: SECRET, "b": "c"}) == {key: "***", "b": "c"}


@pytest.mark.parametrize("text", TO_THE_LETTER)
def test_json_without_a_secret_stays_to_the_letter(text: str) -> None:
    assert masked_document(text) == masked_output(text) == text


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.json")), ids=lambda path: path.stem)
def test_what_programs_printed_stays_to_the_letter_but_for_what_keys_say_to_be_a_secret(path: Path) -> None:
    text = path.read_text()

    assert masked_output(text) == text or "cmdline" in text or '"key"' in text


DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(sorted(QUOTED)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["token", "a.key"]), inner),
)


@given(document=DOCUMENTS, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_any_json_stays_json_of_the_same_form(
    *, document: object, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)

    assert form(json.loads(masked_document(text))) == form(document)


def form(said: object) -> object:
    match said:
        case dict():
            return [form(each) for each in said.values()]
        case list():
            return [form(each) for each in said]
        case str():
            return "text"
        case _:
            return said


def test_a_document_a_line_stays_one() -> None:
    lines = '{"a": "token=\\"pl4nted\\""}\r\n\n["x"]\n'

    assert masked_output(lines) == '{"a": "token=***"}\r\n\n["x"]\n'


@pytest.mark.parametrize(
    "text", ['{"a": "token=pl4nted', 'a\n{"token": "pl4nted"}\n', "[" * 100_000 + "token=pl4nted"]
)
def test_what_is_no_json_is_masked_as_words(text: str) -> None:
    assert masked_output(text) == masked_answer(text) == masked_text(text)
    assert SECRET not in masked_output(text)


@pytest.mark.parametrize("ending", ["", "\r\n", "\r\nlogout token=pl4nted\r\n"])
def test_a_guests_answer_is_read_as_before_whatever_is_around_it(ending: str) -> None:
    said = BEGINNING + '"a": "token=\\"pl4nted\\" b", "c": "\\\\"}'
    text = "Welcome, password=pl4nted\r\n" + said + ending

    masked = masked_answer(text)

    assert masked.startswith("Welcome, password=***\r\n{")
    assert masked.endswith(ending.replace(SECRET, "***"))
    assert SECRET not in masked
    assert answer_of(masked, "windows/1") == {"rscvm": "windows/1", "a": "token=*** b", "c": "\\"}


@pytest.mark.parametrize("width", range(1, 12))
def test_the_line_breaks_of_a_terminal_hide_no_secret(width: int) -> None:
    def wrapped(said: str) -> str:
        return "\r\n".join(said[i : i + width] for i in range(0, len(said), width))

    hidden = BEGINNING + '"a": "token=\\"pl4nted\\" b"}'
    plain = wrapped(BEGINNING + '"a": "\\"b\\""}')

    assert answer_of(masked_answer(wrapped(hidden)), "windows/1")["a"] == "token=*** b"
    assert masked_answer(plain) == plain


def judged(says: str) -> tuple[NicVerdict, NicVerdict, dict[str, bytes]]:
    """What is said of a guest that says this, what is said again from the evidence, and the evidence."""
    there = host()
    there.guests = {"the guest agent": Guest(says)}
    recorder = Recorder(there)
    [live] = check(domain_source(recorder, "local", ("vm",)), Look(guest=True))
    request = Request(host="local", names=("vm",), guest=True)
    files = as_files(Saved("0.1.0", "now", request, {}, recorder.rows))
    [outcome] = judge_saved(parse_saved(files[INDEX], files.__getitem__))
    assert outcome.value is not None
    [again] = outcome.value
    return live, again, files


@pytest.mark.parametrize("named", sorted(QUOTED))
def test_a_guest_is_judged_alike_from_its_evidence_whatever_its_parts_are_called(named: str) -> None:
    said: dict[str, Any] = json.loads(answer("NDISCompatibility"))
    said["adapters"][0]["name"] = named
    said["troubles"] = [{"asked": "q", "words": named, "type": "t", "code": "c"}]

    live, again, files = judged(json.dumps(said))

    assert again.verdict == live.verdict
    assert live.finding.cause is not None
    assert live.finding.cause.id == "ndis-compatibility"
    assert again.finding.cause == live.finding.cause
    assert not [name for name, data in files.items() if SECRET.encode() in data]


def test_what_a_host_printed_as_json_stays_json_in_evidence() -> None:
    said = json.dumps([{"ifname": "tap0", "ifalias": 'LAN token="pl4nted" 2'}])

    files = as_files(saved(ran(said, argv=("ip", "-json", "link", "show"))))

    [kept] = [data for name, data in files.items() if name != INDEX]
    assert json.loads(kept) == [{"ifname": "tap0", "ifalias": "LAN token=*** 2"}]


PIECES = (
    *("http://", "https://a?", "iscsi://a%", "://", "://a:", "a.", "a_", "key", "key=", "key='", 'key="', '"key":"'),
    *('\\"key\\":\\"', '"key":', "-key ", "authorization:", "authorization: a ", "cipassword: ", "<a ", "<a x='", "\\"),
    *('{"rscvm":', "{\n", '["', '"a",', "}"),
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("masked", [masked_text, masked_word, masked_xml, masked_output, masked_answer])
def test_to_mask_a_long_text_takes_no_longer_than_its_length(
    masked: Callable[[str], str], piece: str
) -> None:
    text = (piece * 300_000)[:300_000]

    begun = time.process_time()
    masked(text)

    assert time.process_time() - begun < 5


@pytest.mark.parametrize("begins", ['"key":"', '\\"key\\":\\"', ",key=", "http://a?"])
@pytest.mark.parametrize("piece", ["a", "\\a", ",,"])
def test_to_mask_a_long_secret_takes_no_more_memory_than_a_few_of_it(begins: str, piece: str) -> None:
    text = begins + (piece * 500_000)[:500_000]

    tracemalloc.start()
    try:
        masked_text(text)
        masked_word(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 10 * len(text)
