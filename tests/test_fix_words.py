"""What a finding tells to do: in the language of what defines the machine, and with the command that does it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from provision.cli import run
from provision.cli.fix import _shown
from provision.cli.output import Output
from provision.edges.wiring import RealEdges
from provision.facts.guest import Adapter, FamilyRsc, GuestFacts
from provision.runtime.parallel import Outcome
from provision.runtime.places import Target
from provision.runtime.protocols import Domain
from provision.verbs.fix.command_line import with_commands
from provision.verbs.fix.fix import Fixed
from provision.verbs.fix.taps import Change
from provision.verify.collect.machines import collect_domain
from provision.verify.evidence import AskedGuest, Cut, Definition, Owner, Unasked
from provision.verify.judge.cause import Fix, in_line
from provision.verify.judge.causes.catalogue import CATALOGUE
from provision.verify.judge.verdict import NicVerdict, judge_nic
from provision.verify.report.html import as_html
from provision.verify.report.text import shown
from tests.builders import ON, FakeEdges, nic, virtio
from tests.starts import TSO6_OFF, VIRTIO, domain, interface
from tests.verdicts import broken, host_off, ready, verdict

WHEN = datetime(2026, 11, 28, tzinfo=UTC)
URI = "qemu+ssh://root@hv1/system"
THEIRS = {"rsc": None, "purpose": None}
PLACEHOLDER = re.compile(r"\{\w+\}")


@pytest.mark.parametrize(
    ("changes", "there", "gone"),
    [
        ({**THEIRS, "defined_in": "libvirt"}, {"libvirt: <driver>"}, {"lab file", "QEMU"}),
        ({**THEIRS, "defined_in": "qemu"}, {"QEMU: "}, {"lab file", "libvirt"}),
        ({**THEIRS}, {"libvirt: <driver>", "QEMU: "}, {"lab file"}),
        ({"rsc": "true", "defined_in": "libvirt"}, {"lab file: "}, {"QEMU", "libvirt"}),
    ],
    ids=["libvirt", "QEMU", "unknown", "lab"],
)
def test_a_fix_is_in_the_language_of_what_defines_the_machine(
    changes: dict[str, Any], there: set[str], gone: set[str]
) -> None:
    told = "\n".join(broken(**changes).fix)

    assert all(words in told for words in there)
    assert not [words for words in gone if words in told]
    assert "power-cycle the machine" in told


@pytest.mark.parametrize(("of", "there"), [("libvirt", True), ("qemu", False)])
def test_where_the_lab_file_has_no_word_for_it_what_made_the_machine_has(of: str, *, there: bool) -> None:
    fix = verdict(cuts=(Cut("xml", "<link state='down'/>"),), defined_in=of).fix

    assert any(words.startswith("libvirt: `virsh domif-setlink") for words in fix) == there


def of_libvirt(**changes: Any) -> dict[str, Any]:
    """A NIC of a domain, whose definition is like what runs."""
    there = {**THEIRS, "defined_in": "libvirt", "owner": Owner(domain="win 10"), "shown": "descriptor"}
    return {**there, "definition": Definition(nic(rsc=None), nic(rsc=None)), **changes}


@pytest.mark.parametrize(
    ("found", "command"),
    [
        (host_off(**of_libvirt()), f"rscvm fix --connect {URI} 'win 10'"),
        (broken(**of_libvirt(definition=Definition(Unasked("-")))), f"rscvm fix --connect {URI} 'win 10'"),
        (broken(**of_libvirt(definition=None)), ""),  # transient: there is nothing to edit
        (
            broken(**of_libvirt(kind="user", definition=Definition(Unasked("-")))),
            "",
        ),  # another backend is its user's choice
        (host_off(**of_libvirt(shown="name")), ""),  # whose TAP it is is not known
        (host_off(**of_libvirt(owner=Owner(pid=7))), ""),  # a QEMU of nobody's libvirt
        (ready(**of_libvirt()), ""),
        (verdict(**of_libvirt(model="e1000", kind="hostdev", definition=Definition(Unasked("-")))), ""),
    ],
    ids=["tap", "definition", "transient", "user-mode", "by-name", "bare", "ready", "hostdev"],
)
def test_the_command_is_told_where_fix_can_do_it_and_only_there(found: Any, command: str) -> None:
    [told] = with_commands([found], ("--connect", URI))

    assert told.command == command
    assert (told.advice[-1:] == (((command, True),),)) == bool(command)
    assert told.fix == found.fix  # a document holds wherever it is read


def test_what_is_off_in_the_guest_is_mended_by_fix_with_guest_and_a_lab_file_is_named_as_it_was_given() -> (
    None
):
    off = FamilyRsc(enabled=False, operational=False, reason="NicPropertyDisabled")
    adapter = Adapter("Ethernet", rsc={"ipv4": off, "ipv6": off})
    found = verdict(guest=AskedGuest(GuestFacts("windows"), adapter), shown="descriptor", machine="win")

    [told] = with_commands([found], ("my lab.yaml",))

    assert told.command == "rscvm fix --guest 'my lab.yaml' win"
    assert with_commands([found], ())[0].command == ""


def test_an_edit_that_only_waits_for_a_power_cycle_is_not_asked_for_again() -> None:
    mended = Definition(nic(rsc=None), replace(broken().evidence, rsc=None))
    found = broken(**of_libvirt(definition=mended))

    assert found.definition is not None
    assert found.definition.verdict == "ready"
    [told] = with_commands([found], ("--connect", URI))
    [line] = told.advice
    assert in_line(line) == f"power-cycle the machine: `rscvm fix --connect {URI} 'win 10' --restart`"
    assert told.fix == ("power-cycle the machine: a reboot from inside keeps the old device",)
    assert with_commands([found], ("lab.yaml",))[0].command == ""


def later(inner: str, live: str = "") -> NicVerdict:
    """A NIC of `vm` that works, or where `live` is empty is off, whose definition has `inner`."""
    kept = domain(interface(inner))
    there = Domain("vm", "running" if live else "off", domain(interface(live)) if live else kept, kept)
    [found] = collect_domain(FakeEdges(), "local", there, monitor=False)
    works: dict[str, Any] = {
        "tap": "tap0",
        "properties": ON,
        "virtio": virtio("linux"),
        "features": nic().features,
    }
    [told] = with_commands([judge_nic(replace(found, **(works if live else {})))], ("--connect", URI))
    return told


@pytest.mark.parametrize(("live", "now"), [("", "unknown"), (VIRTIO, "ready")], ids=["off", "ready"])
def test_what_a_next_start_has_wrong_is_told_with_the_command_that_mends_it(live: str, now: str) -> None:
    found = later(TSO6_OFF, live)

    lines = [line.plain for line in shown([found])]

    assert found.verdict == now
    start = next(number for number, line in enumerate(lines) if line.startswith("  at its next start: NOT"))
    assert lines[start + 1 : start + 3] == [
        "  fix: libvirt: <driver><guest csum='on' tso4='on' tso6='on'/></driver>",
        f"  fix: rscvm fix --connect {URI} vm",
    ]
    assert lines.count(lines[start + 2]) == 1
    assert not [line for line in lines if "power-cycle" in line]
    assert f"rscvm fix --connect {URI} vm</code>" in as_html([found], when=WHEN, title="check")


@pytest.mark.parametrize("inner", [VIRTIO, "<model type='e1000e'/>"])
def test_a_next_start_that_no_edit_of_ours_mends_has_no_command(inner: str) -> None:
    kind = "user" if "e1000e" in inner else "bridge"
    there = Domain("vm", "off", domain(interface(inner, kind=kind)), domain(interface(inner, kind=kind)))
    [found] = collect_domain(FakeEdges(), "local", there, monitor=False)

    assert with_commands([judge_nic(found)], ("--connect", URI))[0].command == ""


def test_a_machine_that_is_off_and_was_not_asked_for_has_no_block() -> None:
    found = later(TSO6_OFF)
    unasked = replace(found, evidence=replace(found.evidence, named=False))

    assert not [line for line in shown([ready(), unasked]) if "rscvm fix" in line.plain]


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        (Target("local"), "qemu:///system"),
        (Target("hv1", "hv1", 2222, "root"), "qemu+ssh://root@hv1:2222/system"),
        (Target("hv1", "fd00::1"), "qemu+ssh://[fd00::1]/system"),
        (Target("hv1", "hv1", libvirt="qemu:///session"), "qemu+ssh://hv1/session"),
        (Target("hv1", "hv1", uri="qemu+tls://hv1/system"), "qemu+tls://hv1/system"),
    ],
)
def test_a_hosts_libvirt_is_told_as_connect_takes_it(target: Target, uri: str) -> None:
    assert RealEdges({target.name: target}).connect_uri(target.name) == uri


def test_code_stands_in_backticks_but_where_it_is_all_there_is() -> None:
    alone, beside = Fix("`ethtool -K {tap} tx on`", "libvirt"), Fix("run `ip link` and `tc`")

    assert alone.spans({"tap": "t`0"}) == (("libvirt: ", False), ("ethtool -K t`0 tx on", True))
    assert str(alone) == "libvirt: ethtool -K TAP tx on"
    assert in_line(beside.spans({})) == "run `ip link` and `tc`"
    assert [code for _, code in beside.spans({})] == [False, True, False, True]


@pytest.mark.parametrize("cause", CATALOGUE, ids=lambda cause: cause.id)
def test_code_in_a_fix_is_balanced_and_no_name_is_left_open(cause: Any) -> None:
    for fix in cause.fix:
        assert fix.words.count("`") % 2 == 0
        assert not PLACEHOLDER.search(str(fix))
        assert not PLACEHOLDER.search(in_line(fix.spans({})))


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["explain", *words]) == 0
    return capsys.readouterr().out


def test_nothing_that_explain_prints_has_a_name_left_open(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(capsys, "--json"))
    names = [row[key] for kind, key in (("causes", "id"), ("reasons", "name")) for row in document[kind]]

    for name in [*names, "issues", *document["topics"]]:
        assert not PLACEHOLDER.search(printed(capsys, name)), name
    assert not PLACEHOLDER.search(
        json.dumps([row["fix"] for kind in ("causes", "reasons") for row in document[kind]])
    )


@pytest.mark.parametrize(
    ("changes", "dry_run", "last"),
    [
        (
            (Change("vm", "vm.net0", "host-disabled-checksum", "ethtool -K tap0 tx on", "-"),),
            False,
            "1 change made",
        ),
        ((Change("vm", "vm.net0", "x", "y", "-"),) * 2, True, "2 changes would be made"),
        ((), False, "nothing to change from here"),
    ],
)
def test_fix_ends_with_what_was_done_and_how_it_is_now(
    changes: tuple[Change, ...], last: str, capsys: pytest.CaptureFixture[str], *, dry_run: bool
) -> None:
    fixed = Fixed([host_off(machine="a"), ready(machine="b")], changes, ("mind this",))

    _shown(Output(), [Outcome("local", fixed)], as_json=False, dry_run=dry_run)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("verdict")
    assert lines.index("note: mind this") > lines.index("2 NICs: 1 not ready, 1 ready")
    assert lines[-1] == f"{last}; 2 NICs: 1 not ready, 1 ready"


@pytest.mark.parametrize(
    ("changes", "what"),
    [((), "1 restarted"), ((Change("vm", "vm.net0", "x", "y", "-"),), "1 change made, 1 restarted")],
)
def test_a_restart_is_told_as_what_was_done(
    changes: tuple[Change, ...], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = Fixed([ready()], changes, restarted=True)

    _shown(Output(), [Outcome("local", fixed)], as_json=False, dry_run=False)

    assert capsys.readouterr().out.splitlines()[-1] == f"{what}; 1 NIC: 1 ready"


def test_what_is_told_can_be_pasted_whatever_a_domain_is_called() -> None:
    [told] = with_commands([host_off(**of_libvirt(owner=Owner(domain="a;reboot")))], ("--connect", URI))

    assert shlex.split(told.command) == ["rscvm", "fix", "--connect", URI, "a;reboot"]
