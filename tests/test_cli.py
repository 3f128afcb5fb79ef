"""The command line as a user meets it: what it prints where, and its exit status."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from provision.cli import rscvm, run
from provision.cli.fleet import on_hosts
from provision.cli.output import Output
from provision.cli.selection import chosen_hosts
from provision.runtime import interrupt
from provision.verify.judge.causes.catalogue import CATALOGUE
from tests.builders import lab_of
from tests.labs import THREE_VMS

if TYPE_CHECKING:
    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(THREE_VMS)
    return path


def test_an_interruption_is_one_though_a_library_makes_another_error_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pydantic's core does, while it builds what checks a lab file."""

    @click.command
    def build() -> None:
        try:
            interrupt._arrived(signal.SIGTERM, None)
        except KeyboardInterrupt as error:
            raise ValueError("building a validator") from error

    monkeypatch.setitem(rscvm.commands, "build", build)

    assert run(["build"]) == 130
    assert capsys.readouterr().err == "rscvm: interrupted\n"


@pytest.mark.parametrize(
    "command",
    [*rscvm.commands, "export schema", "export autohck", "hck cleanup", "hck disarm", "hck enforce"],
)
def test_every_command_explains_itself_and_takes_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--help"]) == 0

    text = capsys.readouterr().out
    assert "Usage: rscvm" in text
    assert "--json" in text or command in {"export", "hck"}


def test_the_list_of_commands_cuts_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


def test_commands_are_listed_in_the_order_in_which_they_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = [
        line.split()[0]
        for line in capsys.readouterr().out.split("Commands:\n")[1].splitlines()
        if line[2] != " "
    ]

    assert listed == list(rscvm.commands)
    assert listed[:3] == ["check", "fix", "explain"]


def test_validate_says_good(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", str(lab)]) == 0
    assert capsys.readouterr().out == f"{lab}: good, 3 machines\n"


def test_validate_says_every_fault_as_compilers_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "version: 1\nmachines:\n  a:\n    guest: macos\n    memory: 1GiB\n    nics: [{bridge: br0, queues: 0}]\n"
    )

    assert run(["validate", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:4:12: machines.a.guest: must be windows or linux, not 'macos'",
        f"{path}:6:34: machines.a.nics[0].queues: must be at least 1, not 0",
    ]

    assert run(["validate", str(path), "--json"]) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [(f["line"], f["column"], f["path"]) for f in faults] == [
        (4, 12, "machines.a.guest"),
        (6, 34, "machines.a.nics[0].queues"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "No such command"),
        (["render"], "Missing argument 'LAB'"),
        (
            ["render", "/nowhere/lab.yaml"],
            "there is no lab file /nowhere/lab.yaml",
        ),
        (["render", "LAB", "nobody"], "no machine nobody in this lab file"),
        (["render", "LAB", "windows", "--as", "argv"], "cannot be started by QEMU alone"),
        (["up", "LAB", "nobody"], "no machine nobody"),
        (["up", "LAB", "--wait", "-1"], "--wait"),
        (["check", "LAB", "nobody"], "no machine nobody"),
        (["doctor", "elsewhere"], "no host elsewhere"),
        (["--color", "pink", "validate", "LAB"], "--color"),
    ],
)
def test_bad_usage_is_status_2_with_a_sentence(
    arguments: list[str], words: str, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(lab) if word == "LAB" else word for word in arguments]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("rscvm: ")
    assert words in said.err
    assert "Traceback" not in said.err


def test_hosts_are_worked_on_once_however_often_they_are_named_and_this_one_where_it_has_machines() -> None:
    hosts = "version: 1\nhosts: {hv1: {address: hv1}, hv2: {address: hv2}}\n"
    near = "machines: {vm: {guest: linux, memory: 1GiB}}\n"

    assert chosen_hosts(lab_of(hosts), ["hv2", "hv1", "hv2"]) == ["hv2", "hv1"]
    assert chosen_hosts(lab_of(hosts), []) == ["hv1", "hv2"]
    assert chosen_hosts(lab_of(hosts + near), []) == ["hv1", "hv2", "local"]
    assert chosen_hosts(lab_of(f"version: 1\n{near}"), []) == ["local"]
    assert chosen_hosts(None, []) == []


def test_argv_is_a_list_of_one_machine_and_an_object_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        "version: 1\nmachines: {a: {guest: linux, memory: 1GiB}, b: {guest: linux, memory: 1GiB}}\n"
    )

    assert run(["render", str(path), "a", "--as", "argv"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert run(["render", str(path), "--as", "argv"]) == 0
    every = json.loads(capsys.readouterr().out)

    assert one[0] == "qemu-system-x86_64"
    assert every == {"a": one, "b": every["b"]}


def test_several_xmls_come_one_after_another_or_one_file_each(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["render", str(lab)]) == 0
    together = capsys.readouterr().out
    assert run(["render", str(lab), "-o", str(tmp_path / "out")]) == 0

    files = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert files.keys() == {"windows.xml", "windows-argv.xml", "dut.xml"}
    assert together.count("<domain ") == 3
    assert all(text in together for text in files.values())


def test_a_file_that_is_no_text_is_a_fault_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_bytes(b"version: 1\nmachines: \xff\n")

    assert run(["validate", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}:2:1: is not UTF-8\n"


def test_a_reader_that_goes_away_is_no_error(lab: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$1" -m provision render "$2" | head -c 10; :', "sh", sys.executable, str(lab)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["assumed"]


def test_render_says_what_it_assumed_of_a_host_for_windows_and_of_no_other(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["render", str(lab), "dut"]) == 0
    assert capsys.readouterr().err == ""

    assert run(["render", str(lab), "windows", "--json"]) == 0

    said = capsys.readouterr()
    assert said.err.startswith("assumed: KVM with Hyper-V time, relaxed, vapic, ")
    assert said.err.endswith("; `plan` asks the host\n")
    assert json.loads(said.out)["notes"] == [said.err.rstrip()]


def test_control_characters_never_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text('version: 1\nmachines: {"a\\e[31m": {guest: linux, memory: 1GiB}}\n')

    assert run(["validate", str(path)]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_explain_knows_every_cause_and_why_a_tap_keeps_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    listed = capsys.readouterr().out
    assert all(cause.id in listed for cause in CATALOGUE)
    assert run(["explain", "host-disabled-checksum"]) == 0
    assert "ethtool -K" in capsys.readouterr().out
    assert run(["explain", "tap-offloads"]) == 0
    said = capsys.readouterr().out
    assert "One thing it can add" in said
    assert "/etc/libvirt/hooks/qemu" in said
    assert run(["explain", "no-such"]) == 2


def test_an_interruption_tells_which_hosts_were_through_by_then(capsys: pytest.CaptureFixture[str]) -> None:
    turns = iter((False, True))

    def work(_: HostSession, __: Say) -> None:
        if next(turns):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_hosts(Output(), lab_of("version: 1\n"), ["local", "local"], "apply", work)

    assert capsys.readouterr().err == "local: was through before the interruption, and stays so\n"


def test_explain_hck_is_the_run_book_with_every_command_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "hck"]) == 0
    book = capsys.readouterr().out

    assert (Path(__file__).parent.parent / "docs" / "hck.md").read_text() in book
    for words in (
        "no switch that forbids",
        "rscvm up examples/hlk-rsc.yaml",
        "rscvm check examples/hlk-rsc.yaml rsc-dut --guest",
        "bcdedit /set testsigning on",
        "Set-NetConnectionProfile",
        "ON_SHUTDOWN=shutdown",
        "rscvm hck enforce",
        "ethtool -K TAP tx off",
        "VirtHCK's pull request 22",
        "bricklets' issue 1",
        "Run RSC Tests",
        "OffloadRsc",
        "rscvm hck cleanup",
        "pnputil /delete-driver",
        "spartadrv.sys",
        "rscvm hck disarm",
        "Not verified",
    ):
        assert words in book
