"""Bad usage: its hint is a command that is right, or the help of the command that was meant."""

from __future__ import annotations

import pytest

from provision.cli import run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("completion", ". Choose from: bash, zsh, fish\nhint: rscvm completion --help\n"),
        ("check --html", "\nhint: rscvm check --help\n"),
        ("hck --json enforce", "\nhint: --json goes after the command: `rscvm hck enforce --json`\n"),
        ("--nothing check", "\nhint: rscvm --help\n"),
        (
            "fix qemu:///system web",
            "\nhint: for domains of that libvirt's: `rscvm fix --connect qemu:///system web`\n",
        ),
        (
            "check qemu:///system",
            "\nhint: for domains of that libvirt's: `rscvm check --connect qemu:///system`\n",
        ),
        (
            "bench qemu+ssh://hv/system?a=b",
            "\nhint: for domains of that libvirt's: `rscvm bench --connect 'qemu+ssh://hv/system?a=b' DOMAIN`\n",
        ),
    ],
)
def test_bad_usage_is_told_how_it_is_done(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments.split()) == 2
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize("command", ["", "check", "hck enforce"])
def test_help_is_a_commands_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    whole = capsys.readouterr().out
    assert run(["help", *command.split()]) == 0
    assert capsys.readouterr().out == whole
