"""`hck cleanup`: what HLK's RSC test left in its clients is found, shown, removed and looked for again; and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from provision.cli import run
from provision.cli.hck.cleanup import _lines, _shown
from provision.cli.output import Output
from provision.facts.hck_leftovers import parse_hck_leftovers
from provision.host.apply.session import HostSession
from provision.lab.spec import Lab
from provision.render.guest_scripts import GUEST_SCRIPTS, remove_hck_leftovers
from provision.runtime.command import Result
from provision.runtime.errors import DeadlineError, HostError
from provision.runtime.guest_channel import Script
from provision.runtime.parallel import Outcome
from provision.verbs.hck.cleanup import Cleaned, clean_up, clients
from tests.asked_guests import Guest
from tests.builders import lab_of
from tests.hck_clients import ALL, ASKED, CLIENTS, REMOVED, RUNNING, Clients, clients_of, file, names, says
from tests.labs import HLK, hlk
from tests.listings import Listing
from tests.powershell_trees import commands, parsed


def cleaned(there: Clients, lab: Lab, *names: str, dry_run: bool = False) -> dict[str, Cleaned]:
    done = clean_up(HostSession(there, lab, "local"), names or CLIENTS, lambda _: None, dry_run=dry_run)
    return {each.machine: each for each in done}


def both(dut: Guest, support: Guest | None = None) -> Clients:
    return clients_of(hlk(), dut=dut, support=support or Guest(says()))


def leaving(left: str = REMOVED, asked: str = ASKED) -> Guest:
    return Guest({"hck-leftovers": [asked], "hck-cleanup": [left]})


def test_the_clients_are_the_machines_on_the_test_bridge_and_not_the_controller() -> None:
    assert clients(hlk()) == CLIENTS
    assert clients(lab_of(HLK.replace("BACKEND", "").replace("topology:", "test: none, topology:"))) == []


def test_what_is_found_is_removed_and_nothing_else_is_named_to_the_guest() -> None:
    guest = leaving(says(json.loads(ASKED)["found"], {}))
    there = both(guest)

    done = cleaned(there, hlk())

    assert any("flock" in " ".join(words) for words in there.runner.said), "it holds the lab's lock"
    assert names(done["rsc-dut"].found) == ALL
    assert (done["rsc-dut"].left, done["rsc-dut"].error, done["rsc-dut"].restart) == ((), None, True)
    assert [script.text for script in guest.scripts][1:] == [remove_hck_leftovers(ALL).text]
    assert (done["rsc-support"].found, done["rsc-support"].restart) == ((), False)


def test_where_nothing_is_left_nothing_is_run_that_removes() -> None:
    guest = Guest(says())

    done = cleaned(both(guest), hlk())

    assert {script.name for script in guest.scripts} == {"hck-leftovers"}
    assert done["rsc-dut"] == Cleaned("rsc-dut")


def test_a_dry_run_shows_the_same_and_removes_nothing_and_needs_no_lock() -> None:
    guest = leaving()
    there = both(guest)

    done = cleaned(there, hlk(), dry_run=True)["rsc-dut"]

    assert names(done.found) == names(done.left) == ALL
    assert not done.restart
    assert {script.name for script in guest.scripts} == {"hck-leftovers"}
    assert not any("flock" in " ".join(words) for words in there.runner.said)


def test_what_is_there_still_is_an_error_that_names_it_but_for_what_a_restart_takes_away() -> None:
    done = cleaned(both(leaving()), hlk())["rsc-dut"]

    assert str(done.error) == "rsc-dut: still there: file spartadrv.sys"
    assert done.error is not None
    assert "restart Windows" in done.error.hint
    assert done.restart
    assert done.notes == (
        "spartadrv.sys: Access to the path is denied. (UnauthorizedAccessException 0x80070005)",
    )


def test_what_only_waits_for_a_restart_is_no_error_and_is_not_removed_twice() -> None:
    waits = file(restart=True)
    first = cleaned(both(leaving(says(file(), waits), says(file()))), hlk())["rsc-dut"]
    guest = Guest(says(waits))
    second = cleaned(both(guest), hlk())["rsc-dut"]

    for each in (first, second):
        assert each.error is None
        assert each.restart
    assert {script.name for script in guest.scripts} == {"hck-leftovers"}


def test_a_component_that_stays_is_told_with_what_keeps_it() -> None:
    there = json.loads(ASKED)["found"]
    done = cleaned(both(leaving(says(there, there))), hlk())["rsc-dut"]

    assert done.error is not None
    assert str(done.error).startswith("rsc-dut: still there: component ms_spartadrv, package oem12.inf")
    assert "netcfg /u" in done.error.hint
    assert not done.restart


def test_a_guest_that_does_not_answer_is_not_clean_and_keeps_no_other_from_being_cleaned() -> None:
    guest = leaving(says(json.loads(ASKED)["found"], {}))
    done = cleaned(both(guest, Guest(HostError("the agent hangs"))), hlk())

    assert done["rsc-dut"].restart
    assert done["rsc-support"].unasked == "the guest agent: the agent hangs"
    assert done["rsc-support"].by_hand


@pytest.mark.parametrize("state", ["off", "paused"])
def test_a_machine_that_does_not_run_cannot_be_asked_and_nobody_could_by_hand(state: str) -> None:
    guest = Guest(ASKED)
    there = clients_of(hlk(), {**RUNNING, "rsc-dut": state}, dut=guest, support=Guest(says()))

    done = cleaned(there, hlk())["rsc-dut"]

    assert done.unasked == f"its guest cannot be asked: the machine is {state}"
    assert done.hint == ("`rscvm up LAB rsc-dut` starts it" if state == "off" else "")
    assert not done.by_hand
    assert not guest.scripts


def test_a_linux_guest_has_nothing_of_hlks_and_is_not_asked() -> None:
    lab = lab_of(HLK.replace("BACKEND", "").replace("guest: windows", "guest: linux"))

    done = cleaned(Clients(), lab)

    assert done["rsc-dut"].notes == ("a Linux guest, in which HLK leaves nothing",)
    assert (done["rsc-dut"].unasked, done["rsc-dut"].error) == ("", None)


def test_somebody_elses_domain_of_that_name_is_left_alone() -> None:
    guest = Guest(ASKED)
    there = both(guest)
    [theirs] = there.daemon.domains(["rsc-dut"])
    xml = theirs.live_xml.replace('lab="lab"', 'lab="another"')
    others = [replace(theirs, live_xml=xml, persistent_xml=xml), *there.daemon.domains(["rsc-support"])]
    there.daemon = Listing(there=others)

    done = cleaned(there, hlk())["rsc-dut"]

    assert "is not ours" in str(done.error)
    assert not guest.scripts


def test_a_client_is_asked_by_its_agent_also_where_somebody_took_a_nic_out_of_its_definition() -> None:
    there = both(leaving(says(json.loads(ASKED)["found"], {})))
    dut, support = (there.daemon.domains([name])[0] for name in CLIENTS)
    domain = etree.fromstring(dut.live_xml)
    devices = domain.find("devices")
    assert devices is not None
    devices.remove(devices.findall("interface")[-1])
    xml = etree.tostring(domain, encoding="unicode")
    there.daemon = Listing(there=[replace(dut, live_xml=xml, persistent_xml=xml), support])

    assert cleaned(there, hlk())["rsc-dut"].restart


class Half(Guest):
    """It is lost while things are removed."""

    def run(self, script: Script, *, timeout: float) -> Result:
        if script.name != "hck-leftovers":
            raise DeadlineError("the guest agent was lost")
        return super().run(script, timeout=timeout)


def test_of_a_guest_that_is_lost_meanwhile_nobody_claims_to_know_what_is_left() -> None:
    done = cleaned(both(Half(ASKED)), hlk())["rsc-dut"]

    assert str(done.error) == "rsc-dut: whether it was removed is not known: the guest agent was lost"
    assert not done.restart


def test_a_guest_that_does_not_say_what_is_left_is_not_clean() -> None:
    done = cleaned(both(leaving(ASKED)), hlk())["rsc-dut"]

    assert "does not say what is there still" in str(done.error)


def test_where_not_everything_could_be_asked_nothing_found_is_not_nothing_left() -> None:
    done = cleaned(both(Guest(says({}, None, "INF"))), hlk())["rsc-dut"]

    assert done.unasked == "not everything could be asked in its guest"
    assert done.notes == ("INF: no (X 0x1)",)
    assert not done.by_hand


NASTY = "\x1b]0;owned\x07'; Stop-Computer\u202e\r\n"
FOUND = parse_hck_leftovers(ASKED).found
STATUSES = {
    "nothing was left": (Cleaned("a"), 0, "a: nothing of HLK's RSC test is left"),
    "all was removed": (Cleaned("a", FOUND, ()), 0, "a: restart Windows now"),
    "a restart takes it": (Cleaned("a", FOUND, tuple(replace(each, restart=True) for each in FOUND)), 0, "goes when Windows is restarted"),
    "a Linux": (Cleaned("a", notes=("a Linux",)), 0, "a: a Linux"),
    "something stays": (Cleaned("a", FOUND, FOUND[:1], error=HostError("stays")), 3, "is there still"),
    "another is there": (Cleaned("a", FOUND[:1], FOUND[1:2]), 0, "a: restart Windows now"),
    "no answer": (Cleaned("a", unasked="silent", by_hand=True), 4, "a: by hand: `rscvm explain --script hck-cleanup > hck-cleanup.ps1`"),
    "off": (Cleaned("a", unasked="off", hint="start it"), 4, ""),
    "half an answer": (Cleaned("a", FOUND, (), unasked="half"), 4, "a: restart Windows now"),
}  # fmt: skip


@pytest.mark.parametrize(("what", "status", "said"), STATUSES.values(), ids=STATUSES)
def test_each_end_has_its_exit_status_and_its_words(
    what: Cleaned, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [Outcome("local", [Cleaned("b"), what])]

    assert _shown(Output(), outcomes, as_json=False, dry_run=False) == status
    shown = capsys.readouterr()
    assert said in shown.out
    assert what.unasked in shown.err
    assert what.hint in shown.err
    assert _shown(Output(), outcomes, as_json=True, dry_run=False) == status
    document = json.loads(capsys.readouterr().out)
    assert [row["machine"] for row in document["machines"]] == ["b", "a"]
    assert document["machines"][1]["restart"] is what.restart
    assert document["done"] is bool(what.gone)
    assert (document["by_hand"] is not None) is what.by_hand


def test_what_fails_comes_before_what_could_not_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    both_ends = [STATUSES["off"][0], STATUSES["something stays"][0]]

    assert _shown(Output(), [Outcome("local", both_ends)], as_json=False, dry_run=False) == 3
    assert "rscvm: a: off" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["hck-cleanup", "hck-leftovers"])
def test_by_hand_it_is_the_script_that_explain_prints(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = [Cleaned(name, unasked="silent", by_hand=True) for name in ("a", "b")]
    outcomes, dry_run = [Outcome("local", silent)], script == "hck-leftovers"

    _shown(Output(), outcomes, as_json=False, dry_run=dry_run)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(
        f"a, b: by hand: `rscvm explain --script {script} > {script}.ps1`, and in each, as administrator"
    )
    assert line.endswith(f"-File {script}.ps1`")
    _shown(Output(), outcomes, as_json=True, dry_run=dry_run)
    assert json.loads(capsys.readouterr().out)["by_hand"]["script"] == GUEST_SCRIPTS[script].example().text


def test_a_dry_run_tells_what_would_be_removed_from_what_only_waits_for_a_restart() -> None:
    there = (FOUND[0], replace(FOUND[1], restart=True))

    said = [line.rpartition(": ")[2] for line in _lines(Cleaned("a", there, there), dry_run=True)]
    assert said[1:3] == ["would be removed", "goes when Windows is restarted"]


def test_what_a_guest_says_steers_no_terminal_and_becomes_no_code(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": NASTY, "state": NASTY, "file": NASTY}]
    nasty = says({"services": rows}, {"services": rows}, NASTY)
    guest = leaving(nasty, nasty)

    done = cleaned(both(guest), hlk())
    for as_json in (False, True):
        _shown(Output(), [Outcome("local", [*done.values()])], as_json=as_json, dry_run=False)

    said = capsys.readouterr()
    assert not {c for c in said.out + said.err if not c.isprintable() and c != "\n"}
    assert "Stop-Computer" not in {name for name, _ in commands(parsed(guest.scripts[-1].text))}


def test_a_lab_without_clients_is_a_request_that_cannot_be_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("version: 1\nmachines: {vm: {guest: linux, memory: 1GiB}}\n")

    assert run(["hck", "cleanup", str(path)]) == 2
    assert "no machine of this lab file has `rsc: hck`" in capsys.readouterr().err
    assert run(["hck", "cleanup", str(path), "nobody"]) == 2
    assert run(["hck", "cleanup", str(path), "vm"]) == 0
    assert "a Linux guest" in capsys.readouterr().out
