"""`explain --script`: what is run in a guest, as it is run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from provision.cli import rscvm, run
from provision.cli.explain import explain
from provision.render.guest_scripts import GUEST_SCRIPTS


@pytest.mark.parametrize("name", GUEST_SCRIPTS)
def test_a_script_is_printed_as_it_is_run_and_nothing_else(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "--script", name]) == 0

    assert capsys.readouterr().out == GUEST_SCRIPTS[name].example().text


@pytest.mark.parametrize("name", GUEST_SCRIPTS)
def test_as_json_it_says_how_it_is_handed_over(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--script", name, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "rscvm/explain/1"
    assert said["script"]["text"] == GUEST_SCRIPTS[name].example().text
    assert said["script"]["argv"][0] in ("sh", "powershell.exe")
    assert said["script"]["does"]


@pytest.mark.parametrize("name", ["", "nope", "\x1b[31m"])
def test_one_that_there_is_not_is_refused_with_those_that_there_are(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "--script", name]) == 2

    said = capsys.readouterr().err
    assert "\x1b" not in said
    for known in GUEST_SCRIPTS:
        assert known in said


def test_a_script_and_a_cause_are_not_asked_for_at_once() -> None:
    assert run(["explain", "--script", "rsc", "gro-off"]) == 2


def test_help_names_every_script() -> None:
    said = "".join(CliRunner().invoke(rscvm, ["explain", "--help"]).output.split())

    for name in GUEST_SCRIPTS:
        assert name in said


def test_names_are_completed() -> None:
    option = next(each for each in explain.params if each.name == "script")

    with explain.make_context("explain", [], **rscvm.context_settings) as context:
        found = [each.value for each in option.shell_complete(context, "fix-")]
    assert found == [name for name in GUEST_SCRIPTS if name.startswith("fix-")]
