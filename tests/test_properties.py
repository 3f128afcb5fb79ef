"""What holds for every lab file and every text: nothing escapes the loader, and what is rendered is what was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provision.facts.accelerators import parse_accelerators
from provision.facts.domain import parse_domain
from provision.facts.ethtool_coalesce import SWITCHES, parse_coalesce, parse_coalesce_json
from provision.facts.ethtool_features import parse_features
from provision.facts.ip import parse_links
from provision.facts.link_file import parse_link_options, parse_permanent_mac
from provision.facts.processes import parse_processes
from provision.facts.qemu import parse_device_help, parse_image_info, parse_version
from provision.facts.virtio import parse_virtio_status
from provision.host.journal import Journal, Thing, parse_journal, written_journal
from provision.lab.identity import spec_as_noted
from provision.lab.load import parse_lab
from provision.lab.positions import spelled
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.errors import Fault, LabFileError, UnreadableError
from tests.builders import FIXTURES, one_vm
from tests.mutations import anything, mutated
from tests.processes import proc_text
from tests.strategies import bounded, lab_files, loaded
from tests.written import Written

FULL = (FIXTURES / "full-lab.yaml").read_text()
KNOWN = frozenset(re.findall(r"(\w+):", FULL)) | {"guest_rsc_ext"}
line_ends = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def outcome(text: str) -> Lab | tuple[Fault, ...]:
    """A lab or its faults, of which there is at least one; anything else that is raised is a bug."""
    try:
        return parse_lab(text, "lab.yaml", "/srv/labs", {})
    except LabFileError as error:
        faults, lines = error.faults, str(error).splitlines()
    assert len(lines) == len(faults) > 0
    return faults


def assert_within(fault: Fault, text: str) -> None:
    for lines in (line_ends.split(text), text.split("\n")):
        if (
            fault.line <= len(lines)
            and 1 <= fault.column <= len(lines[fault.line - 1]) + 1
            and fault.line >= 1
        ):
            return
    assert (fault.line, fault.column) in {(1, 1), (len(line_ends.split(text)) + 1, 1)}, fault


_YAML = st.sampled_from([*"{}[]:,-&*!|>'\"#%@\n \t?~", "<<: ", "*a", "&a ", "- ", "version: 1", "machines:", "\n  ", "---",
                         "!!python/object", "${X}", "nics", "guest: linux", "memory: 1GiB", "\u2028", "\x85", "\ufeff"])  # fmt: skip
text_edits = st.lists(
    st.tuples(st.integers(0, len(FULL)), st.integers(0, 30), st.text(max_size=3) | _YAML),
    min_size=1,
    max_size=4,
)


@given(st.text() | st.lists(_YAML, max_size=30).map("".join))
@bounded(300)
def test_any_text_is_a_lab_or_faults_within_it(text: str) -> None:
    found = outcome(text)

    for fault in found if isinstance(found, tuple) else ():
        assert_within(fault, text)


@given(text_edits)
@bounded(80)
def test_any_edit_of_a_lab_files_text_is_a_lab_or_faults_within_it(edits: list[tuple[int, int, str]]) -> None:
    text = FULL
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    found = outcome(text)

    for fault in found if isinstance(found, tuple) else ():
        assert_within(fault, text)


def assert_stands_there(fault: Fault, written: Written) -> None:
    """A fault is at its value or key; what is missing is said at the mapping that misses it."""
    known = {spelled(where): set[tuple[int, int]]() for where in written.values}
    for where, place in written.values.items():
        known[spelled(where)] |= {place, written.keys.get(where, place)}
    missed = {fault.path.removesuffix(key).removesuffix(".") for key in KNOWN if fault.path.endswith(key)}
    allowed = set().union(*(known.get(path, set()) for path in {fault.path, *missed}))  # `.` in keys

    assert (fault.line, fault.column) in allowed, fault


def assert_a_lab_or_faults_that_stand_there(data: Any) -> None:
    written = Written(data)
    found = outcome(written.text)
    for fault in found if isinstance(found, tuple) else ():
        assert_stands_there(fault, written)


@given(anything)
@bounded(200)
def test_any_yaml_is_a_lab_or_faults_that_stand_there(data: Any) -> None:
    assert_a_lab_or_faults_that_stand_there(data)


@given(mutated(lab_files()))
@bounded(150)
def test_any_mutation_of_a_good_lab_file_is_a_lab_or_faults_that_stand_there(data: Any) -> None:
    assert_a_lab_or_faults_that_stand_there(data)


things = st.builds(
    Thing,
    st.sampled_from(["process", "domain", "tap", "file", "disk", "bridge"]),
    st.text(),
    st.text(),
    st.text(),
)


@given(lab_files(most_labs=0), st.lists(things, max_size=5), st.text())
@bounded(40)
def test_a_journal_with_any_labs_specs_reads_back(data: Any, made: list[Thing], file: str) -> None:
    lab = loaded(data)
    specs = {name: spec_as_noted(machine) for name, machine in lab.machines.items()}
    journal = Journal(file, tuple(made), specs, dict.fromkeys(specs, True))

    assert json.loads(json.dumps(specs)) == specs
    assert parse_journal(written_journal(journal)) == journal
    again = loaded(data)
    assert {name: spec_as_noted(machine) for name, machine in again.machines.items()} == specs


@given(lab_files(most_labs=0))
@bounded(50)
def test_macs_and_tap_names_are_valid_and_distinct(data: Any) -> None:
    lab = loaded(data)
    nics = [(machine.host, nic) for machine in lab.machines.values() for nic in machine.nics]
    taps = [(host, nic.ifname) for host, nic in nics if nic.kind != "user"]

    assert len({nic.mac for _, nic in nics}) == len(nics)
    assert len(set(taps)) == len(taps)
    for _, nic in nics:
        assert re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", nic.mac)
        assert int(nic.mac[:2], 16) & 3 == 2
        assert bool(nic.ifname) is (nic.kind != "user")
        assert re.fullmatch("(?!vnet|vif|macvtap|macvlan)[A-Za-z0-9_.-]{0,15}", nic.ifname)


def read(name: str) -> str:
    return (FIXTURES / name).read_text()


JOURNAL = Journal("/srv/lab.yaml", (Thing("tap", "tap0", "vm"), Thing("file", "/x")), {"vm": {"vcpus": 1}})
PARSERS: dict[str, tuple[Callable[[str], object], str]] = {
    "features": (parse_features, read("ethtool-6.1/tap-negotiated-by-linux.json")),
    "coalesce": (parse_coalesce, read("ethtool-6.1/coalesce-tap.txt")),
    "newer coalesce": (parse_coalesce, read("ethtool-7.2/coalesce-tap.txt")),
    "coalesce json": (parse_coalesce_json, read("composed/coalesce-adaptive-newer.json")),
    "link file": (parse_link_options, read("systemd-252/99-default.link")),
    "permanent address": (parse_permanent_mac, read("ethtool-6.1/permanent-tap.txt")),
    "links": (parse_links, read("iproute2-6.1/links.json")),
    "device help": (parse_device_help, read("qemu-7.2.22/device-help.txt")),
    "version": (parse_version, read("qemu-7.2.22/version.txt")),
    "image": (parse_image_info, read("qemu-7.2.22/image-info.json")),
    "domain": (parse_domain, domain_xml(machine_view(one_vm("libvirt"), "vm"))),
    "processes": (parse_processes, proc_text({42: ("qemu", "-pidfile", "/run/a b.pid"), 43: ("grep",)})),
    "accelerators": (parse_accelerators, "tcg 590\nkvm failed no such device\n"),
    "journal": (parse_journal, written_journal(JOURNAL)),
}
VIRTIO = json.loads(read("qemu-7.2.22/virtio-status-linux.json"))


def facts_or_unreadable(parse: Callable[[Any], object], said: object) -> None:
    try:
        parse(said)
    except UnreadableError as error:
        shown = error.text
    else:
        return
    assert shown in (said, repr(said))


def flipped(text: str, draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """The text as it comes out of a broken pipe: bytes changed, lines dropped or twice, cut off."""
    data = bytearray(text.encode())
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=4)):
        data[at] = byte
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    for at in draw(st.lists(st.integers(0, 60), max_size=3)):
        lines[at : at + 1] = draw(st.sampled_from([[], lines[at : at + 1] * 2, ["\n"]]))
    whole = "".join(lines)
    return whole[: draw(st.none() | st.integers(0, len(whole)))]


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
@bounded(60)
def test_broken_output_is_facts_or_unreadable(name: str, data: st.DataObject) -> None:
    parse, text = PARSERS[name]

    said = flipped(text, data.draw)
    facts_or_unreadable(parse, said)


@given(st.data())
@bounded(200)
def test_broken_coalescing_is_never_a_switch_for_a_number_or_too_large(data: st.DataObject) -> None:
    try:
        found = parse_coalesce(flipped(read("composed/coalesce-adaptive-6.1.txt"), data.draw))
    except UnreadableError:
        return
    for name, value in found.items():
        assert isinstance(value, bool) is (name in SWITCHES)
        assert 0 <= value < 2**32


@pytest.mark.parametrize("name", ["features", "coalesce json", "links", "image", "journal"])
@given(st.data())
@bounded(60)
def test_json_with_other_values_is_facts_or_unreadable(name: str, data: st.DataObject) -> None:
    parse, text = PARSERS[name]

    said = json.dumps(data.draw(mutated(st.just(json.loads(text)))))
    facts_or_unreadable(parse, said)


@given(mutated(st.just(VIRTIO)) | anything)
@bounded(100)
def test_another_virtio_status_is_facts_or_unreadable(answer: object) -> None:
    facts_or_unreadable(parse_virtio_status, answer)


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.text() | anything.map(json.dumps))
@example(text="tcg " + "9" * 6000 + "\nkvm 1\n")
@example(text='[{"ifname": "a", "flags": [], "mtu": 1e999}]')
@example(text='<?xml version="1.0" encoding="no-such"?><domain/>')
@example(text="[" * 100_000)
@example(text="9" * 6000)
@bounded(60)
def test_any_text_is_facts_or_unreadable(name: str, text: str) -> None:
    facts_or_unreadable(PARSERS[name][0], text)
