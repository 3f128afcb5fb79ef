"""Every file that is written is named on stderr once it is there, and none that could not be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provision.cli import run
from tests.builders import FIXTURES
from tests.recorded_answers import LAB_TEXT

if TYPE_CHECKING:
    from pathlib import Path

PASTED = str(FIXTURES / "pasted" / "one-line.txt")


def test_reports_of_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html, junit = tmp_path / "page.html", tmp_path / "junit.xml"
    asked = ["check", "--from", PASTED, "--html", str(html), "--junit", str(junit)]

    run(asked)
    named = capsys.readouterr().err.splitlines()
    run(["--quiet", *asked])
    quiet = capsys.readouterr().err

    assert {f"wrote {html}", f"wrote {junit}"} <= {*named}
    assert html.exists()
    assert junit.exists()
    assert "wrote" not in quiet


def test_a_report_that_cannot_be_written_is_not_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "--from", PASTED, "--html", str(tmp_path / "nowhere" / "page.html")]) == 3

    assert "wrote" not in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_lab_file_of_an_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    path = tmp_path / "mine.yaml"

    assert run(["import", "--connect", "test:///default", "test", "-o", str(path), *more]) == 0

    assert f"wrote {path}" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("form", "suffix"), [("xml", "xml"), ("argv", "json"), ("script", "sh")])
def test_what_render_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, suffix: str
) -> None:
    lab, out = tmp_path / "lab.yaml", tmp_path / "out"
    lab.write_text(LAB_TEXT)

    assert run(["render", str(lab), "--as", form, "-o", str(out)]) == 0

    named = {line for line in capsys.readouterr().err.splitlines() if line.startswith("wrote ")}
    assert named == {f"wrote {path}" for path in out.iterdir()}
    assert len(named) == 2
    assert {path.suffix for path in out.iterdir()} == {f".{suffix}"}
