"""`rscvm examples`: what ships can be listed, written out and rendered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.cli import run
from provision.cli.examples import example_names

FOLDER = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def test_every_example_is_listed_with_what_it_is_and_what_it_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["examples", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["examples"]
    assert run(["examples"]) == 0
    listed = capsys.readouterr().out

    assert [row["name"] for row in rows] == NAMES == example_names()
    assert all(len(line) <= 80 for line in listed.splitlines())
    for row in rows:
        assert row["text"] == (FOLDER / f"{row['name']}.yaml").read_text()
        assert row["what"].removesuffix(" Needs a checkout, for the demo guest (`make guest`).").endswith(".")
        assert ("make guest" in row["what"]) == ("build/guest" in row["text"])
        assert " ".join(row["what"].split()) in " ".join(listed.split())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_written_out_as_it_is_and_renders_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKEND", "qemu")
    file = tmp_path / "lab.yaml"

    assert run(["examples", name]) == 0
    assert capsys.readouterr().out == (FOLDER / f"{name}.yaml").read_text()
    assert run(["examples", name, "-o", "-"]) == 0
    assert capsys.readouterr().out == (FOLDER / f"{name}.yaml").read_text()
    assert run(["examples", name, "-o", str(file)]) == 0
    said = capsys.readouterr()

    assert (said.out, said.err) == ("", f"wrote {file}\n")
    assert file.read_text() == (FOLDER / f"{name}.yaml").read_text()
    assert run(["render", str(file)]) == 0


def test_nothing_is_written_over_what_is_there_and_no_example_is_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("mine")

    for words in (["windows", "-o", str(file)], ["no-such"], ["../README.md"], ["-o", str(file)]):
        assert run(["examples", *words]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("rscvm: ")
    assert "windows" in said.err
    assert file.read_text() == "mine"
