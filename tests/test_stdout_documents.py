"""A FILE or DIR that is `-` is standard output, where nothing else goes then."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from provision.cli import run
from provision.cli.bench import _Asked, _shown
from provision.cli.output import Output
from provision.edges.files.evidence_folder import EvidenceDirectory, claim, write_evidence
from provision.runtime.errors import RequestError
from provision.verbs.bench.bench import Benched
from provision.verify.saved.files import as_files, parse_saved
from tests.builders import FIXTURES, ONE_VM
from tests.gains import gain
from tests.recordings import found as domains_of
from tests.recordings import ran, saved
from tests.verdicts import broken, ready

ONE = saved(ran("features"), domains_of("vm"))
PASTED = ["check", "--from", str(FIXTURES / "pasted" / "one-line.txt")]


@pytest.fixture
def lab(tmp_path: Path) -> str:
    """A lab file of one machine."""
    (tmp_path / "lab.yaml").write_text(ONE_VM.replace("BACKEND", "qemu"))
    return str(tmp_path / "lab.yaml")


@pytest.mark.parametrize("option", ["--html", "--junit"])
def test_a_report_goes_to_stdout_alone(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status = run([*PASTED, option, "-"])
    said = capsys.readouterr()
    assert run([*PASTED, option, "file"]) == status
    table = capsys.readouterr().out

    def steady(text: str) -> list[str]:
        return [line for line in text.splitlines() if "timestamp" not in line and " UTC" not in line]

    assert steady(said.out) == steady(Path("file").read_text())
    assert table
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_report_is_written_also_where_whoever_read_stdout_has_gone(more: list[str], tmp_path: Path) -> None:
    reader, stdout = os.pipe()
    os.close(reader)
    words = [*PASTED, *more, "--html", str(tmp_path / "page.html"), "--junit", str(tmp_path / "cases.xml")]
    done = subprocess.run(
        [sys.executable, "-m", "provision", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(stdout)

    assert done.returncode == 141
    assert "wrote " in done.stderr
    assert (tmp_path / "page.html").read_text().rstrip().endswith("</html>")
    assert (tmp_path / "cases.xml").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--html", "-", "--junit", "-"],
        ["--html", "-", "--json"],
        ["--save", "-", "--json"],
        ["--save", "-", "--html", "-"],
    ],
)
def test_two_of_them_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", *words]) == 2

    assert capsys.readouterr().err.startswith("rscvm: --")
    assert run(["bench", "--connect", "test:///default", "test", *words[:2], "--json"]) == 2


@pytest.mark.parametrize("found", [Benched(ready(), gain()), Benched(broken())], ids=["measured", "not"])
def test_a_report_of_bench_goes_to_stdout_alone(found: Benched, capsys: pytest.CaptureFixture[str]) -> None:
    asked = _Asked(("lab.yaml", "vm"), None, "", "", "", "", 5, 5, reference=False, min_gain=None,
                   junit="-", html=None, as_json=False)  # fmt: skip

    _shown(Output(), asked, found)

    assert capsys.readouterr().out.startswith("<?xml")


def test_evidence_goes_to_stdout_as_an_archive_that_can_be_judged(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    claim("-")
    write_evidence("-", as_files(ONE))

    with tarfile.open(fileobj=io.BytesIO(capsysbinary.readouterr().out)) as archive:
        assert {member.mode for member in archive} == {0o600}
        archive.extractall(tmp_path, filter="data")
    [directory] = tmp_path.iterdir()
    evidence = EvidenceDirectory(str(directory))
    assert parse_saved(evidence.index(), evidence.read) == ONE


def test_an_archive_is_not_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    with pytest.raises(RequestError, match="not for a terminal"):
        claim("-")


def test_what_is_written_to_a_file_goes_to_stdout_as_without_it(
    tmp_path: Path, lab: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["render", lab], ["import", "--connect", "test:///default", "test"]):
        assert run(words) == 0
        plain = capsys.readouterr().out
        assert run([*words, "-o", "-"]) == 0
        assert capsys.readouterr().out == plain
    assert [path.name for path in tmp_path.iterdir()] == ["lab.yaml"]
