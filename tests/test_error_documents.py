"""With --json an error is a document on stdout, too, and never beside another; its words stay on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from provision.cli import rscvm, run
from provision.cli.output import Output
from tests.builders import ONE_VM
from tests.listed_commands import leaves

NOWHERE = "--connect qemu+unix:///system?socket=/nowhere"
COMMANDS = {
    "apply": "apply {lab} nobody",
    "bench": f"bench {NOWHERE} vm",
    "check": f"check {NOWHERE}",
    "completion": "completion no-shell",
    "doctor": "doctor nobody",
    "down": "down {none}",
    "examples": "examples no-such",
    "explain": "explain no-such",
    "export schema": "export schema --no-such-option",
    "export autohck": "export autohck {lab} nobody",
    "fix": f"fix {NOWHERE} vm",
    "hck cleanup": "hck cleanup {lab} nobody",
    "hck disarm": "hck disarm {lab} nobody",
    "hck enforce": "hck enforce {lab} nobody",
    "import": f"import vm {NOWHERE}",
    "plan": "plan {lab} nobody",
    "render": "render {lab} nobody",
    "status": "status {lab} nobody",
    "up": "up {lab} --wait much",
    "validate": "validate {none}",
}


def test_every_command_is_here() -> None:
    assert leaves(rscvm).keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_is_a_document_beside_its_words(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(ONE_VM.replace("BACKEND", "qemu"))
    words = COMMANDS[name].format(lab=lab, none=tmp_path / "none.yaml").split()

    status = run([*words, "--json"])
    said = capsys.readouterr()
    plain = run(words)
    told = capsys.readouterr()

    document = json.loads(said.out)
    assert document.keys() == {"schema", "message", "hint", "exit"}
    assert (document["schema"], document["exit"]) == ("rscvm/error/1", status)
    assert (plain, told.out) == (status, "")
    assert said.err == told.err
    assert f"rscvm: {document['message']}\n" in said.err
    assert f"hint: {document['hint']}\n" in said.err or not document["hint"]


def test_a_lab_file_with_faults_tells_them_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text("version: 1\nmachines: {a: {guest: macos, memory: 1GiB}}\n")

    assert run(["plan", str(lab), "--json"]) == 2

    document = json.loads(capsys.readouterr().out)
    assert document["message"] == f"{lab}:2:23: machines.a.guest: must be windows or linux, not 'macos'"


def test_what_comes_after_two_hyphens_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ValueError("x"), KeyboardInterrupt()]
)
def test_what_nobody_foresaw_is_a_document_unless_one_was_printed(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command
    @click.option("--json", "as_json", is_flag=True)
    @click.option("--late", is_flag=True)
    @click.pass_obj
    def fail(output: Output, *, as_json: bool, late: bool) -> None:
        if late:
            output.json({"as_json": as_json})
        raise error

    monkeypatch.setitem(rscvm.commands, "fail", fail)
    status = 130 if isinstance(error, KeyboardInterrupt) else 3

    assert run(["fail", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["exit"] == status
    assert run(["fail", "--json", "--late"]) == status
    assert json.loads(capsys.readouterr().out) == {"as_json": True}


def test_an_interruption_while_python_imports_is_a_document() -> None:
    """The module that is imported first sends it, where rscvm would have been."""
    code = (
        "import os, signal, sys; sys.argv[1:] = ['status', 'lab.yaml', '--json']\n"
        "class Sender:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'provision.cli.apply': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Sender())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from provision.__main__ import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=60, env=os.environ
    )

    assert (done.returncode, done.stderr) == (130, b"rscvm: interrupted\n")
    assert json.loads(done.stdout) == {
        "schema": "rscvm/error/1",
        "message": "interrupted",
        "hint": "",
        "exit": 130,
    }


def test_whoever_reads_neither_stream_changes_no_status() -> None:
    program = f"{sys.executable} -m provision render /nowhere.yaml --json"
    done = subprocess.run(["sh", "-c", f"{program} >/dev/full 2>&-"], check=False, timeout=60)

    assert done.returncode == 2
    assert signal.SIGPIPE  # a full disk, and not a reader that has gone: that is 141


@pytest.mark.parametrize("words", [[], ["hck"], ["export"]])
def test_without_a_command_there_is_the_help_and_no_error_in_its_place(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is click's, which was 0 before 8.2."""
    assert run(words) in (0, 2)
    said = capsys.readouterr()
    assert (said.out + said.err).startswith("Usage: rscvm")
