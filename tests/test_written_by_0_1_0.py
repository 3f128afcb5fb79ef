"""What rscvm 0.1.0 left on hosts and sent to others is read by every later version: journals, marks and evidence."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from provision.api.saved import judged_from
from provision.facts.domain import parse_domain
from provision.facts.ip import parse_links
from provision.host.journal import Journal, parse_journal, written_journal
from provision.host.marks import is_our_domain, is_our_link, marked_machine
from provision.host.plan.down import plan_down
from provision.host.plan.hck_flags import without_flags
from provision.host.state import Inventory
from provision.lab.file import read_lab
from provision.lab.identity import spec_as_noted, spec_digest
from provision.lab.spec import Lab
from provision.render.link_file import LAB_MARK, link_path
from provision.runtime.command import Run
from provision.runtime.protocols import Domain
from provision.verify.report.document import as_json

KEPT = Path(__file__).parent / "fixtures" / "rscvm-0.1.0"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The lab file that they are of; what it names lay beside it, in /srv/lab."""
    text = (KEPT / "lab.yaml").read_text()
    for name in ("vmlinuz", "initrd.gz", "base.qcow2"):
        text = text.replace(f": {name}", f": /srv/lab/{name}")
    (tmp_path / "lab.yaml").write_text(text)
    return read_lab(str(tmp_path / "lab.yaml"), {})


def journal(name: str = "journal") -> Journal:
    return parse_journal((KEPT / f"{name}.json").read_text())


def test_every_thing_in_its_journals_is_known() -> None:
    things = {(thing.kind, thing.name) for thing in journal().things}

    assert ("nic", "nic0") in things
    assert ("bridge", "br-lab") in things
    assert ("domain", "plain") in things
    assert ("process", "/var/lib/rscvm/lab/bare.pid") in things
    assert ("disk", "/var/lib/rscvm/lab/bare-0.qcow2") in things
    assert journal().disarmed == {"rsc-dut"}
    assert [(thing.kind, thing.name) for thing in journal("journal-link").things] == [
        ("nic", "eth0"),
        ("link-file", link_path("hv", "eth0")),
    ]


@pytest.mark.parametrize("name", ["journal", "journal-link"])
def test_a_journal_written_again_says_the_same(name: str) -> None:
    assert parse_journal(written_journal(journal(name))) == journal(name)


def test_machines_as_it_noted_them_are_the_lab_files(lab: Lab) -> None:
    noted = journal().specs

    assert noted["plain"] == spec_as_noted(lab.machines["plain"])
    assert noted["bare"] == spec_as_noted(lab.machines["bare"])
    assert noted["rsc-dut"] == spec_as_noted(without_flags(lab.machines["rsc-dut"]))


@pytest.mark.parametrize("name", ["plain", "rsc-dut"])
def test_its_domains_are_ours_and_unchanged(lab: Lab, name: str) -> None:
    live, inactive = ((KEPT / f"{name}{form}.xml").read_text() for form in ("", ".inactive"))
    mark = parse_domain(live).mark

    assert is_our_domain(lab, Domain(name, "running", live, inactive))
    assert mark is not None
    assert mark.digest == spec_digest(lab.machines[name])


def test_its_devices_are_ours(lab: Lab) -> None:
    links = parse_links((KEPT / "links.json").read_text())
    ours = {name for name, link in links.items() if is_our_link(lab, link, Journal())}

    assert ours == {"br-lab", "60bf55a-test", "172c489-control", "19935af6-bare"}
    assert marked_machine(lab, links["19935af6-bare"], Journal()) == "bare"
    assert marked_machine(lab, links["br-lab"], Journal()) == ""


def test_its_link_file_is_ours() -> None:
    text = (KEPT / "10-rscvm-hv-eth0.link").read_text()

    assert text.startswith(LAB_MARK.format(lab="hv"))


@pytest.mark.parametrize(("what", "goes"), [("its", True), ("theirs", False), ("a lab", False)])
def test_its_note_of_accelerators_goes_with_a_lab_and_nothing_else_of_that_name(
    lab: Lab, tmp_path: Path, what: str, *, goes: bool
) -> None:
    text = (KEPT / "accelerators.json").read_text()
    path = tmp_path / "accelerators.json"
    if what == "a lab":
        path.mkdir()
    else:
        path.write_text(text if what == "its" else json.dumps({"mine": text}))
    left = Inventory("local", journal=Journal(things=(journal().things[0],)))
    closing = plan_down(lab.model_copy(update={"state_dir": str(tmp_path)}), None, left).closing

    assert closing is not None
    for action in closing.do:
        assert isinstance(action, Run)
        run(action.argv, check=True)
    assert path.exists() is not goes


@pytest.mark.parametrize("name", ["", "-domains"])
def test_its_evidence_is_judged_as_it_was(name: str) -> None:
    said: dict[str, Any] = json.loads((KEPT / f"verdicts{name}.json").read_text())
    outcomes = judged_from(str(KEPT / f"evidence{name}"), None)

    assert [outcome.error for outcome in outcomes] == [None]
    now = of_old_keys(as_json([verdict for outcome in outcomes for verdict in outcome.value or ()]), said)
    [before], [after] = ([nic for nic in found["nics"] if nic["nic"] == "test"] for found in (said, now))
    others = ([nic for nic in now["nics"] if nic is not after], [n for n in said["nics"] if n is not before])
    for nic in (*others[0], *others[1]):
        nic.pop("fix")  # since then in the language of what defines the machine alone
    assert others[0] == others[1]
    assert_said_of_the_dut(before, after)


def assert_said_of_the_dut(before: dict[str, Any], after: dict[str, Any]) -> None:
    """0.1.0 called it not ready for its TAP, though nothing else was on its bridge: that was wrong."""
    assert (before["cause"], after["cause"]) == ("not-wire-like", None)
    [note] = [note for note in after["notes"] if note not in before["notes"]]
    assert note.startswith("the test TAP has tx checksum or TSO on; on 60bf55a-test nothing else can send")
    assert [rung for rung in after["ladder"] if rung["rung"] != "passed"] == [
        rung for rung in before["ladder"] if rung["rung"] != "passed"
    ]


def of_old_keys(now: Any, then: Any) -> Any:
    """A document without the keys and rungs that it has gained since."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {key: of_old_keys(value, then[key]) for key, value in now.items() if key in then}
    if isinstance(now, list) and isinstance(then, list):
        now = [each for each in now if not (isinstance(each, dict) and each.get("rung") == "gathered")]
        now = [each for each in now if not (isinstance(each, str) and "check --guest" in each)]
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [of_old_keys(*pair) for pair in zip(now, then, strict=True)]
    return now
