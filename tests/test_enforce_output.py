"""What `rscvm hck enforce` prints, for a person and for a program, and what it refuses to begin with."""

from __future__ import annotations

import json
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from provision.cli import run
from provision.cli.hck.enforce import _Speaker
from provision.cli.output import Output
from provision.cli.unhurried import Unhurried
from provision.runtime.errors import HostError
from provision.runtime.parallel import Outcome
from provision.verbs.hck.kept_taps import Enforced, Happened, HckNic, What

VM = HckNic("vm", "net0", "tap0")
EVENTS: tuple[tuple[What, int], ...] = (("kept", 0), ("off", 1), ("off", 2), ("back", 2))
OUTCOMES = [Outcome("hv", Enforced({VM: 2})), Outcome("far", error=HostError("no such luck"))]


def spoken(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> list[str]:
    speaker = _Speaker(Output(), alone=False, as_json=as_json)
    for what, count in EVENTS:
        speaker.tell(Happened("hv", what, VM, count))
    assert speaker.end(OUTCOMES) is None
    return capsys.readouterr().out.splitlines()


def test_a_person_reads_a_line_for_each_and_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    *lines, last = spoken(capsys, as_json=False)

    assert [line[9:] for line in lines] == [
        "vm.net0 (tap0): tx is kept off from now on",
        "vm.net0 (tap0): set tx off",
        "vm.net0 (tap0): set tx off again (2)",
        "vm.net0 (tap0): set tx on, as it would be without us",
    ]
    assert last == "vm.net0 (tap0): tx had to be set off 2 times"


def test_a_program_reads_a_document_for_each_and_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    documents = [json.loads(line) for line in spoken(capsys, as_json=True)]
    row = {"host": "hv", "machine": "vm", "nic": "net0", "tap": "tap0"}

    assert {document.pop("schema") for document in documents} == {"rscvm/hck-enforce/1"}
    assert all(document.pop("when").endswith("Z") for document in documents)
    *events, last = documents
    assert events == [{"event": what, **row, "count": count} for what, count in EVENTS]
    assert last == {
        "event": "end",
        "count": 2,
        "nics": [{**row, "count": 2}],
        "errors": [{"host": "far", "message": "no such luck", "hint": ""}],
    }


def test_what_does_not_go_well_is_told_to_both(capsys: pytest.CaptureFixture[str]) -> None:
    happened = [
        Happened("hv", "failed", VM, 1, "no luck"),
        Happened("hv", "gone", VM, 1),
        Happened("hv", "lost", why="hv is gone; the next try is in 1 s"),
        Happened("hv", "again"),
    ]
    for as_json in (False, True):
        speaker = _Speaker(Output(quiet=True), alone=True, as_json=as_json)
        for what in happened:
            speaker.tell(what)
        speaker.end([Outcome("hv", Enforced({VM: 1}, troubles={VM: "left alone: why"}))])
    lines = capsys.readouterr().out.splitlines()

    assert [line[9:] for line in lines[:4]] == [
        "vm.net0 (tap0): tx could not be switched off: no luck",
        "vm.net0 (tap0): it is not there; waiting for it",
        "hv is gone; the next try is in 1 s",
        "hv: listening again",
    ]
    assert lines[4] == "vm.net0 (tap0): tx had to be set off 1 time; at the end left alone: why"
    rows = [json.loads(line) for line in lines[5:]]
    assert [row["event"] for row in rows] == ["failed", "gone", "lost", "again", "end"]
    assert (rows[0]["tap"], rows[0]["why"], rows[2]["why"]) == ("tap0", "no luck", happened[2].why)
    assert rows[4]["nics"][0]["why"] == "left alone: why"


def test_who_tells_does_not_wait_for_who_reads_and_a_reader_that_has_gone_ends_it() -> None:
    lost, told = threading.Event(), threading.Event()
    printer = Unhurried(lost.set)
    printer.print(told.wait)
    for _ in range(20_000):
        printer.print(int)
    assert printer.left_out >= 10_000
    told.set()
    printer.end()
    assert not lost.is_set()

    printer = Unhurried(lost.set)
    printer.print(partial(os.write, -1, b"nobody"))
    printer.print(os.abort)
    printer.end()

    assert lost.is_set()
    assert printer.error is not None


def test_a_lab_without_the_engine_has_nothing_to_enforce(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("version: 1\nmachines: {vm: {guest: windows, memory: 1GiB, nics: []}}\n")

    assert run(["hck", "enforce", str(path)]) == 2
    assert "no machine of this lab file has `rsc: hck`" in capsys.readouterr().err


def test_a_named_machine_without_it_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lab.yaml"
    text = "{guest: windows, memory: 1GiB, nics: [{bridge: br-a, RSC}]}"
    dut = text.replace("RSC", "rsc: hck").replace("nics", "purpose: hck, nics")
    path.write_text(
        f"version: 1\nhosts: {{local: {{bridges: {{br-a: {{}}}}}}}}\nmachines: {{dut: {dut}, vm: {text.replace('br-a, RSC', 'br-b')}}}\n"
    )

    assert run(["hck", "enforce", str(path), "dut", "vm"]) == 2
    assert "no NIC of vm has `rsc: hck`" in capsys.readouterr().err


def test_of_several_hosts_one_that_fails_is_told_at_once_and_the_exit_status_is_its(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = "{guest: windows, memory: 1GiB, purpose: hck, host: HOST, nics: [{tap: true, rsc: hck}]}"
    machines = ", ".join(f"{name}: {machine.replace('HOST', name)}" for name in ("one", "two"))
    hosts = ", ".join(f"{name}: {{address: {name}.invalid}}" for name in ("one", "two"))
    path = tmp_path / "lab.yaml"
    path.write_text(f"version: 1\nhosts: {{{hosts}}}\nmachines: {{{machines}}}\n")

    assert run(["hck", "enforce", str(path), "--json"]) == 3
    out, err = capsys.readouterr()
    assert [row["host"] for row in json.loads(out)["errors"]] == ["one", "two"]
    assert err.count("no address of one.invalid is known") == 2, "at once, and at the end"
