"""Files of 60 MB that somebody made to hurt: read or refused, in little memory and in one line."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.host.read.processes import LISTENING, QEMUS
from provision.runtime.errors import RequestError
from provision.verify.saved.files import SCHEMA, parse_saved
from provision.verify.saved.kept_lab import restored_lab

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
MOST_MEMORY = 512 * MIB
SECONDS = 60
"""Seconds, on a machine that is busy otherwise; alone the longest takes three."""
CHILD = """
import sys
from provision.cli import run
status = run(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(status, peak.split()[1], file=sys.stderr)
"""


def rscvm(*arguments: str) -> tuple[int, list[str]]:
    """Exit status, and the lines on stderr, of a process that stays below the limits."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    *lines, last = done.stderr.splitlines()
    status, kibibytes = map(int, last.split())
    assert kibibytes << 10 < MOST_MEMORY
    return status, lines


def index(*answers: dict[str, Any], **request: Any) -> bytes:
    asked = request or {"hosts": ["local"]}
    document = {"schema": SCHEMA, "rscvm": "1", "when": "now", "request": asked, "answers": answers}
    return json.dumps(document).encode()


def with_rows(row: bytes, count: int) -> bytes:
    return index()[:-2] + b",".join([row] * count) + b"]}"


def processes() -> bytes:
    """As many words as are read, each of a process of its own."""
    reader = b"/proc/self/status\0Uid:\t0\t0\0/proc/self/stat\0" + b"1 (x) S " + b"1 " * 50 + b"\0"
    return base64.b64encode(
        reader + b"".join(b"/proc/%d/cmdline\0-x\0" % number for number in range(490_000)) + b"end\0\0"
    )


def asked_of_processes() -> bytes:
    common = {"host": "local", "ask": "run", "status": 0, "out": "f"}
    return index(*({**common, "words": question.run.argv} for question in (LISTENING, QEMUS)))


def lab_of_nothings() -> bytes:
    lab = {"name": "x", "version": 1, "machines": {f"m{number}": {} for number in range(140_000)}}
    return index(lab=lab)


ANSWER = {"host": "local", "ask": "run", "words": ["x"], "status": 0}
CASES: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "a million rows": (lambda: {"index.json": with_rows(b"{}", 1_000_000)}, "more than 300000 values"),
    "a lab of nothings": (lambda: {"index.json": lab_of_nothings()}, "machines.m0.guest"),
    "processes": (lambda: {"index.json": asked_of_processes(), "f": processes()}, "there is no NIC"),
    "wide text": (
        lambda: {
            "index.json": index({**ANSWER, "out": "f"}, {**ANSWER, "out": "f"}),
            "f": "\U0001f600".encode() + b"x" * 31 * MIB,
        },
        "does not have it",
    ),
    "60 MB of an answer": (
        lambda: {"index.json": index({**ANSWER, "out": "f"}), "f": b"x" * 60 * MIB},
        "larger than the",
    ),
    "a monitor's lines": (
        lambda: {
            "index.json": index({"host": "h", "ask": "qmp", "words": ["domain", "vm"], "lines": "f"}),
            "f": b"\n" * 31 * MIB,
        },
        "more than 100000 times",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_evidence_that_is_made_to_hurt_ends_soon_and_in_one_line(tmp_path: Path, name: str) -> None:
    made, words = CASES[name]
    for file, data in made().items():
        (tmp_path / file).write_bytes(data)

    status, lines = rscvm("check", "--from", str(tmp_path))

    assert status in (2, 3, 4)
    assert words in lines[0]
    assert [line for line in lines[1:] if not line.startswith("hint: ")] == []
    assert all(len(line) < 1000 for line in lines)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[" * MIB, "more than 300000 values"),
        (with_rows(b"1", 1000), "answers.0"),
        (index(hosts=[f"h{number}" for number in range(1001)]), "at most 1000 items"),
        (index(ANSWER | {"domains": [1] * 1000}), "answers.0.domains.0"),
    ],
    ids=["nested", "rows", "hosts", "domains"],
)
def test_an_index_that_is_made_to_hurt_is_refused_at_its_first_fault(data: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse_saved(data, lambda _: b"")


def test_a_lab_of_very_many_hosts_is_no_evidence() -> None:
    hosts = {f"h{number}": {"address": "a"} for number in range(1001)}

    with pytest.raises(RequestError, match="more than 1000 hosts"):
        restored_lab({"name": "x", "version": 1, "hosts": hosts, "machines": {}})


def test_a_lab_file_of_60_mb_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_bytes(b"version: 1\n" + b"# x\n" * 15 * MIB)

    status, lines = rscvm("validate", str(tmp_path / "lab.yaml"))

    assert status == 2
    assert lines == [
        f"rscvm: cannot read the lab file {tmp_path}/lab.yaml: it has 62914571 bytes, and may have 1048576 (1 MiB)"
    ]


@pytest.mark.parametrize("text", ["a\n", "1,"])
def test_a_lab_file_of_very_many_parts_is_refused_before_it_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.yaml").write_text(text * 200_000)

    status, [line] = rscvm("validate", str(tmp_path / "lab.yaml"))

    assert status == 2
    assert line.endswith("has more than 100000 lines and commas")


def test_what_never_ends_is_no_lab_file() -> None:
    assert rscvm("validate", "/dev/zero") == (2, ["rscvm: cannot read the lab file /dev/zero: it is no file"])
