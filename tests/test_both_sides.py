"""-q, -v and --color say how a run speaks, before its command and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from provision.cli import rscvm, run
from provision.cli.output import Output
from tests.listed_commands import leaves

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words", ["-q fail", "fail -q", "--quiet fail", "hck -q fail", "-q hck fail", "hck fail -q"]
)
def test_quiet_is_taken_on_both_sides(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Output] = []
    command = rscvm.commands["validate"]

    @click.pass_obj
    def hear(output: Output) -> None:
        heard.append(output)

    probe = click.Command("fail", callback=hear, params=command.params[-3:])
    hck = rscvm.commands["hck"]
    assert isinstance(hck, click.Group)
    monkeypatch.setitem(rscvm.commands, "fail", probe)
    monkeypatch.setitem(hck.commands, "fail", probe)

    assert run(words.split()) == 0
    assert [(each.quiet, each.verbose, each.color) for each in heard] == [(True, False, "auto")]


def test_what_is_said_after_a_command_holds_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text("version: 1\nmachines: {}\n")

    assert run(["--color", "never", "render", str(lab), "--color", "always", "-q", "-v"]) == 0
    assert run(["render", str(lab), "--color", "pink"]) == 2
    assert "--color" in capsys.readouterr().err


def test_every_command_takes_them_and_only_the_first_page_lists_them() -> None:
    root = click.Context(rscvm, info_name="rscvm")
    assert {"--quiet", "--verbose", "--color"} <= {name for each in rscvm.params for name in each.opts}
    assert all(name in rscvm.get_help(root) for name in ("--quiet", "--verbose", "--color"))

    for words, command in leaves(rscvm).items():
        assert {"--quiet", "-v", "--color"} <= {name for each in command.params for name in each.opts}, words
        assert "--quiet" not in command.get_help(click.Context(command, parent=root)), words
