"""The manual page rscvm(1): complete, current, and roff without fault."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from provision.cli import rscvm
from provision.cli.man_page import man_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "rscvm.1"


def commands(group: click.Group, path: str = "rscvm") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def printed(*argv: str) -> str:
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run([*argv, PAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=env).stdout  # fmt: skip


def test_the_page_is_that_of_the_commands_as_they_are(golden: Callable[[str, str], None]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    golden("../../docs/rscvm.1", man_page(rscvm, version))


def test_the_page_shows_every_command_and_option() -> None:
    text = printed("groff", "-man", "-Tutf8", "-Kutf8", "-P-cbou", "-rLL=200n")

    words = set(text.replace(",", " ").split())
    for path, command in commands(rscvm):
        assert isinstance(command, click.Group) or f"{path} [OPTIONS]" in text
        for option in command.params:
            assert not isinstance(option, click.Option) or set(option.opts) <= words


@pytest.mark.parametrize(
    "argv",
    [("groff", "-man", "-ww", "-z", "-Kutf8"), ("mandoc", "-Tlint", "-Wwarning")],
    ids=lambda argv: argv[0],
)
def test_its_readers_find_fault_with_nothing_but_its_date(argv: tuple[str, ...]) -> None:
    """It has none: the page is that of the commands as they are, on any day."""
    assert [line for line in printed(*argv).splitlines() if "missing date" not in line] == []
