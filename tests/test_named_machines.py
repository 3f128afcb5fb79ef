"""MACHINE and HOST of a command line: a host stands for its machines, and a name that is nobody's has its nearest told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from provision.cli import run
from provision.cli.selection import chosen, chosen_hosts, without_hosts
from provision.runtime.errors import RequestError
from provision.verbs.down import planned_down
from tests.builders import lab_of
from tests.labs import HLK
from tests.recorded_host import RecordedEdges, session_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MACHINES = "{win-2022: {host: hv1, MORE}, mail: {host: hv2, MORE}, web: {host: hv1, MORE}, here: {MORE}}"
TEXT = (
    "version: 1\nhosts: {hv1: {address: hv1}, hv2: {address: hv2}, empty: {address: hv3}}\nmachines: "
    + MACHINES.replace("MORE", "backend: qemu, guest: linux, memory: 1GiB")
)
LAB = lab_of(TEXT)


@pytest.mark.parametrize(
    ("names", "machines"),
    [
        ([], ["win-2022", "mail", "web", "here"]),
        (["web", "win-2022"], ["win-2022", "web"]),
        (["hv1"], ["win-2022", "web"]),
        (["hv2", "web", "web"], ["mail", "web"]),
        (["local"], ["here"]),
    ],
)
def test_a_host_stands_for_its_machines(names: list[str], machines: list[str]) -> None:
    assert chosen(LAB, names) == machines


def test_a_machine_that_is_called_as_a_host_is_itself() -> None:
    lab = lab_of(TEXT.replace("mail:", "hv1:"))

    assert without_hosts(lab, ["hv1", "gone"]) == ["hv1", "gone"]


@pytest.mark.parametrize(
    ("choose", "names", "words", "hint"),
    [
        (chosen, ["win2022"], "no machine win2022 in this lab file", "did you mean win-2022? its machines: win-2022, mail, web, here"),
        (chosen, ["hv3"], "no machine hv3 in this lab file", "did you mean hv2 or hv1? its machines: win-2022, mail, web, here"),
        (chosen, ["empty"], "no machine empty in this lab file", "did you mean empty? its machines: win-2022, mail, web, here"),
        (chosen, ["zebra"], "no machine zebra in this lab file", "its machines: win-2022, mail, web, here"),
        (chosen_hosts, ["hv-1"], "no host hv-1 in this lab file", "did you mean hv1 or hv2? its hosts: hv1, hv2, empty"),
        (chosen_hosts, ["mail"], "mail is a machine", "its host: hv2"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_suggested(
    choose: Callable[..., object], names: list[str], words: str, hint: str
) -> None:
    with pytest.raises(RequestError) as raised:
        choose(LAB, names)

    assert (str(raised.value), raised.value.hint) == (words, hint)


@pytest.fixture
def lab(tmp_path: Path) -> str:
    """The lab file, whose hosts cannot be reached."""
    (tmp_path / "lab.yaml").write_text(TEXT)
    return str(tmp_path / "lab.yaml")


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "fix",
        "plan",
        "render",
        "status",
        "up",
        "bench",
        "export autohck",
        "hck cleanup",
        "hck enforce",
    ],
)
def test_every_command_of_a_lab_takes_a_machine(
    command: str, lab: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), lab, "win2022"]) == 2
    assert "did you mean win-2022?" in capsys.readouterr().err


def test_several_machines_are_rendered(lab: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", lab, "mail", "here", "--as", "argv"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"mail", "here"}
    assert run(["render", lab, "hv2", "--as", "argv"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"mail"}
    assert run(["render", lab, "mail", "--as", "argv"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_disarm_takes_the_machines_that_have_the_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "hlk.yaml"
    lab.write_text(HLK.replace("BACKEND", ""))

    assert run(["hck", "disarm", str(lab), "rsc-dat"]) == 2
    assert "did you mean rsc-dut?" in capsys.readouterr().err
    assert run(["hck", "disarm", str(lab), "rsc-dut", "rsc-controller"]) == 2
    assert capsys.readouterr().err == (
        "rscvm: no NIC of rsc-controller has `rsc: hck`\nhint: these machines have one: rsc-dut\n"
    )


@pytest.mark.parametrize("command", ["disarm", "enforce"])
def test_of_a_host_those_machines_are_meant_that_can_be(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "hlk.yaml"
    two = HLK.replace("BACKEND", "").replace("version: 1", "version: 1\nhosts: {hv9: {address: hv9.invalid}}")
    lab.write_text(f"{two}machines: {{other: {{host: hv9, backend: qemu, guest: linux, memory: 1GiB}}}}\n")

    assert run(["hck", command, str(lab), "hv9"]) == 2
    assert "hv9 has `rsc: hck`" in capsys.readouterr().err


def test_down_of_a_machine_that_is_nobodys_says_the_nearest() -> None:
    with pytest.raises(RequestError) as raised:
        planned_down(session_on(RecordedEdges()), ["domm"])

    assert raised.value.hint == "did you mean dom?"
