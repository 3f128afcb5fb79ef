"""Nothing checked is not ready: the exit status of none, of some that are off, and of all that are; and the words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provision.cli import run
from provision.cli.nothing import those_off, without_nic
from provision.cli.targets import Machines
from provision.edges.uri import system_uri
from provision.runtime.protocols import Domain
from provision.verbs.check import Look, check
from provision.verify.collect.source import domain_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.report.document import as_json, exit_status
from provision.verify.report.html import Beside, as_html
from provision.verify.report.summary import summed
from tests.builders import FakeEdges, FakeHost
from tests.listings import Listing, TellingHost, running
from tests.verdicts import broken, off, ready, silent

WHEN = datetime(2026, 11, 28, tzinfo=UTC)
OFF = off(machine="spare", named=False)
WITHOUT = "<domain><name>{0}</name><devices/></domain>"


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], 4),
        ([ready()], 0),
        ([ready(), OFF], 0),
        ([ready(), off(machine="spare")], 4),
        ([broken(), OFF], 1),
        ([silent(), OFF], 4),
        ([OFF], 4),
        ([OFF, OFF], 4),
    ],
    ids=["none", "ready", "beside-off", "beside-named-off", "broken", "silent", "all-off", "two-off"],
)
def test_the_exit_status_is_that_of_what_runs_and_of_what_was_named(
    verdicts: list[NicVerdict], status: int
) -> None:
    assert exit_status(verdicts) == status


def test_the_document_says_how_many_were_checked() -> None:
    assert [as_json(each)["checked"] for each in ([], [ready(), OFF])] == [0, 2]


def test_a_sentence_tells_what_did_not_count() -> None:
    assert summed([ready(), OFF]).sentence == "2 NICs: 1 ready, 1 off"
    assert summed([OFF]).sentence == "1 NIC: 1 unknown"
    assert as_json([ready(), OFF])["summary"]["unknown"] == 1  # a document's counts are of all


def test_a_page_tells_what_did_not_count_as_the_table_does() -> None:
    page = as_html([ready(), OFF], when=WHEN, title="check")

    assert "2 NICs: 1 ready, 1 off." in page
    assert "</span> off</span>" in page
    assert as_html([ready()], when=WHEN, title="check").count("</span> off</span>") == 0
    assert page.count("</span> unknown</span>") == 1  # the count of those, which is 0
    assert '<td class="number">' not in page  # nothing by cause


def test_a_page_says_why_it_is_empty() -> None:
    page = as_html([], when=WHEN, title="check", beside=Beside(nothing="vm <1> has no NIC"))

    assert "There is no NIC to judge: vm &lt;1&gt; has no NIC." in page


@pytest.mark.parametrize(("names", "named"), [((), False), (("a", "b"), True)])
def test_domains_are_meant_where_they_were_named(names: tuple[str, ...], *, named: bool) -> None:
    there = [running("a"), Domain("b", "off", running("b").live_xml, "")]
    edges = FakeEdges(TellingHost(files=["negotiated-by-linux"]), Listing(there=there))

    found = check(domain_source(edges, "local", names, monitor=False), Look(monitor=False))

    assert [one.evidence.named for one in found] == [named, named]
    assert exit_status(found) == (4 if named else 0)


def test_a_source_tells_machines_that_have_no_nic() -> None:
    edges = FakeEdges(FakeHost(), Listing(there=[Domain("a", "running", WITHOUT.format("a"), "", "1")]))
    source = domain_source(edges, "local", ())

    assert (check(source, Look()), source.machines()) == ([], ["a"])


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ([], "the lab file has no machine"),
        (["a"], "a has no NIC"),
        (["a", "b"], "none of these machines has a NIC: a, b"),
    ],
)
def test_machines_without_nic_are_named(machines: list[str], words: str) -> None:
    assert without_nic(machines) == words


@pytest.mark.parametrize(
    ("found", "uri"),
    [
        ([ready(defined_in="libvirt"), ready(defined_in="qemu")], "qemu:///system"),
        ([ready(defined_in="libvirt", host="hv1"), ready(defined_in="libvirt")], "URI"),
        ([ready(defined_in="qemu")], None),
    ],
)
def test_where_those_that_are_off_are_told_is_said_where_there_is_a_libvirt(
    found: list[NicVerdict], uri: str | None
) -> None:
    said = f"machines that are off are not in this: `rscvm check --connect {uri}` has libvirt's"
    assert those_off(found) == (said if uri else "")


@pytest.mark.parametrize(
    ("uri", "system"),
    [
        ("qemu:///session", "qemu:///system"),
        ("qemu+ssh://me@hv:22/session?keyfile=/k", "qemu+ssh://me@hv:22/system?keyfile=/k"),
        ("qemu+unix:///session?socket=/run/user/0/libvirt-sock", "qemu+unix:///system"),
        ("qemu:///system", ""),
        ("test:///session", ""),
        ("alias", ""),
    ],
)
def test_the_systems_libvirt_is_beside_a_users_own(uri: str, system: str) -> None:
    assert system_uri(uri) == system


def test_machines_of_a_command_line_are_named_beside_a_lab_file_or_a_libvirt() -> None:
    assert Machines(("lab.yaml", "a")).named == {"a"}
    assert Machines(("a", "b"), connect=("qemu:///system",)).named == {"a", "b"}


HOSTS_ONLY = "version: 1\nhosts: {local: {bridges: {br0: {}}}}\n"


@pytest.fixture
def lab(tmp_path: Path) -> str:
    """A lab file without machines."""
    path = tmp_path / "lab.yaml"
    path.write_text(HOSTS_ONLY)
    return str(path)


def test_machines_that_are_off_are_left_out_for_who_asks_for_those_that_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "lab.yaml"
    machine = "{backend: qemu, guest: linux, memory: 1GiB, nics: [{tap: true}]}"
    lab.write_text(f"version: 1\nstate_dir: {tmp_path}\nmachines: {{spare: {machine}}}\n")

    assert run(["check", str(lab), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["nics"][0]["cause"] == "machine-off"
    assert run(["check", str(lab), "--running", "--json"]) == 4
    said = capsys.readouterr()
    assert json.loads(said.out)["nics"] == []
    assert said.err.startswith("rscvm: nothing was checked: none of these machines runs\n")
    assert "machine-off: the machine is not running" in checked(capsys, str(lab))
    assert run(["check", "--watch", "1", "--running"]) == 2


def checked(capsys: pytest.CaptureFixture[str], lab: str) -> str:
    run(["check", lab])
    return capsys.readouterr().out


def test_a_lab_without_machines_is_said_in_every_form(
    lab: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, cases = tmp_path / "page.html", tmp_path / "junit.xml"

    status = run(["check", lab, "--json", "--html", str(page), "--junit", str(cases)])
    said = capsys.readouterr()
    document: dict[str, Any] = json.loads(said.out)

    assert (status, document["checked"], document["nics"]) == (4, 0, [])
    told = "rscvm: nothing was checked: the lab file has no machine\n"
    assert said.err == f"{told}wrote {cases}\nwrote {page}\n"
    assert "the lab file has no machine" in page.read_text()
    assert 'type="nothing-checked" message="the lab file has no machine"' in cases.read_text()
    assert 'errors="1"' in cases.read_text()
