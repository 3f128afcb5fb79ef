"""`rscvm import` as a user meets it, on libvirt's own test driver, which needs no daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.cli import run
from provision.lab.file import read_lab

TEST = ["import", "--connect", "test:///default", "test"]


def test_the_lab_file_goes_to_stdout_and_every_note_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TEST) == 0

    said = capsys.readouterr()
    assert said.out.startswith("# Domain test at test:///default, its definition")
    notes = said.err.splitlines()
    assert all(line.startswith("note: ") for line in notes)
    assert any(line.startswith("note: os/type@arch: i686 → x86_64 (") for line in notes)


def test_a_file_is_written_that_validates_and_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"

    assert run([*TEST, "-o", str(path)]) == 0
    assert list(read_lab(str(path)).machines) == ["test"]
    text = path.read_text()
    capsys.readouterr()
    assert run([*TEST, "-o", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == text


def test_json_holds_the_text_and_the_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", *TEST, "--json"]) == 0

    said = capsys.readouterr()
    document = json.loads(said.out)
    assert said.err == ""
    assert (document["schema"], document["machine"], document["file"]) == ("rscvm/import/1", "test", None)
    assert document["text"].startswith("# Domain test")
    assert {"path", "was", "now", "why"} == set(document["notes"][0])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["import", "--connect", "test:///default", "nobody"], 2, "no domain nobody at test:///default"),
        (["import", "--connect", "test:///nowhere", "test"], 3, "libvirt does not answer"),
        (["import", "--connect", "qemu+ssh://h:port/system", "x"], 2, "cannot read the URI"),
        ([*TEST, "-o", "/nowhere/lab.yaml"], 2, "cannot write /nowhere/lab.yaml"),
        ([*TEST, "-o", "/tmp/-x y-.yaml"], 2, "a lab file's name names the lab"),  # noqa: S108 - nothing is written there
    ],
)
def test_what_cannot_be_is_said(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == status

    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
