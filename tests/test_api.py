"""What other programs import, and that it is what the command line shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import provision
from provision import check_domains, document, load_lab, render_argv, render_domain
from provision.cli import run
from provision.runtime.errors import HostError, LabFileError, RequestError
from tests.builders import FIXTURES

LAB = str(FIXTURES / "full-lab.yaml")
TEST = "test:///default"


def test_everything_that_is_promised_is_there_and_documented() -> None:
    assert all(getattr(provision, name).__doc__ for name in provision.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        provision.nothing  # noqa: B018 - the asking is the test


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, provision; print([name for name in sys.modules if name.startswith('provision.')])"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_domains_are_judged_as_the_command_line_judges_them(capsys: pytest.CaptureFixture[str]) -> None:
    """libvirt's own test driver: a running domain whose QEMU cannot be asked."""
    verdicts = check_domains(TEST)
    run(["check", "--connect", TEST, "--json"])

    assert document(verdicts) == json.loads(capsys.readouterr().out)
    assert [verdict.evidence.machine for verdict in verdicts] == ["test"] * len(verdicts)


def test_what_cannot_be_is_raised_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="no domain nobody"):
        check_domains(TEST, ["nobody"])
    with pytest.raises(HostError, match="does not answer"):
        check_domains("test:///nowhere")

    assert capsys.readouterr() == ("", "")


def test_a_lab_renders_as_the_command_line_renders_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INITRD", "/srv/initrd.gz")
    lab = load_lab(LAB)
    name = next(name for name, machine in lab.machines.items() if machine.backend == "libvirt")
    run(["render", LAB, name, "--as", "xml"])
    xml = capsys.readouterr().out
    run(["render", LAB, name, "--as", "argv"])

    assert render_domain(lab, name) == xml
    assert render_argv(lab, name) == json.loads(capsys.readouterr().out)


def test_a_faulty_lab_tells_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\nmachines: {vm: {guest: beos}}\n")

    with pytest.raises(LabFileError) as caught:
        load_lab(path)
    with pytest.raises(RequestError, match="there is no lab file"):
        load_lab(tmp_path / "none.yaml")
    with pytest.raises(RequestError, match="no machine x in this lab"):
        render_domain(load_lab(LAB, {"INITRD": "/srv/initrd.gz"}), "x")

    assert len(caught.value.faults) == 2
