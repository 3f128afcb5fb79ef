"""JUnit XML: what CI reads, valid, and with nothing passed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from provision.verify.report.junit import as_junit
from tests.verdicts import HOSTILE, broken, every_kind, hostile, meant_off, off, ready, silent

Golden = Callable[[str, str], None]

WHEN = datetime(2026, 11, 22, 13, 0, 5, 999, tzinfo=timezone(timedelta(hours=1)))

# What two schemas have in common: Ant's JUnit.xsd (windyroad/JUnit-Schema) and the junit-10.xsd of Jenkins's
# xunit plugin. The golden file was held against both of them when this was written.
BOTH = """\
<grammar xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <define name="said">
    <data type="string"><param name="minLength">1</param></data>
  </define>
  <define name="problem">
    <attribute name="type"><ref name="said"/></attribute>
    <attribute name="message"><text/></attribute>
    <text/>
  </define>
  <start>
    <element name="testsuites">
      <zeroOrMore>
        <element name="testsuite">
          <attribute name="name"><ref name="said"/></attribute>
          <attribute name="package"><ref name="said"/></attribute>
          <attribute name="hostname"><ref name="said"/></attribute>
          <attribute name="id"><data type="int"/></attribute>
          <attribute name="tests"><data type="int"/></attribute>
          <attribute name="failures"><data type="int"/></attribute>
          <attribute name="errors"><data type="int"/></attribute>
          <attribute name="skipped"><data type="int"/></attribute>
          <attribute name="time"><data type="decimal"/></attribute>
          <attribute name="timestamp">
            <data type="dateTime"><param name="pattern">[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}</param></data>
          </attribute>
          <element name="properties">
            <zeroOrMore>
              <element name="property">
                <attribute name="name"><ref name="said"/></attribute>
                <attribute name="value"><text/></attribute>
              </element>
            </zeroOrMore>
          </element>
          <zeroOrMore>
            <element name="testcase">
              <attribute name="name"><ref name="said"/></attribute>
              <attribute name="classname"><ref name="said"/></attribute>
              <attribute name="time"><data type="decimal"/></attribute>
              <optional>
                <choice>
                  <element name="error"><ref name="problem"/></element>
                  <element name="failure"><ref name="problem"/></element>
                  <element name="skipped"><ref name="problem"/></element>
                </choice>
              </optional>
            </element>
          </zeroOrMore>
          <element name="system-out"><text/></element>
          <element name="system-err"><text/></element>
        </element>
      </zeroOrMore>
    </element>
  </start>
</grammar>
"""
SCHEMA = etree.RelaxNG(etree.fromstring(BOTH))


def parsed(text: str) -> etree._Element:
    root = etree.fromstring(text.encode())
    SCHEMA.assertValid(root)
    return root


def cases(root: etree._Element) -> dict[str, etree._Element]:
    return {f"{case.get('classname')}.{case.get('name')}": case for case in root.iter("testcase")}


def test_the_file_is_as_it_was(golden: Golden) -> None:
    golden("report/junit.xml", as_junit(every_kind(), WHEN, {"hv3": "ssh: connect to host hv3: timed out"}))


def test_not_ready_fails_unknown_is_an_error_and_ready_passes() -> None:
    found = cases(parsed(as_junit(every_kind(), WHEN)))

    told = {
        name: [(inner.tag, inner.get("type")) for inner in case.iter() if inner is not case]
        for name, case in found.items()
    }
    assert told == {
        "local.linux.net0": [],
        "local.linux.net1": [],
        "local.spare.net0": [("error", "machine-off")],
        "local.win2022.net0": [("failure", "guest-offloads-off")],
        "local.win2019.net0": [("failure", "host-disabled-checksum")],
        "hv2.old.net0": [("error", "no-cause-known")],
        "hv2.router.net0": [],
        "hv2.win11.net0": [("failure", "host-disabled-checksum")],
    }


def test_counts_are_those_of_the_cases() -> None:
    for suite in parsed(as_junit(every_kind(), WHEN, {"hv2": "lost", "hv3": "lost"})):
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))


def test_of_machines_that_are_off_those_that_do_not_count_are_skipped() -> None:
    unmeant = off(machine="spare", named=False)

    beside = parsed(as_junit([ready(), unmeant, off(machine="named")], WHEN))
    alone = parsed(as_junit([unmeant], WHEN))

    assert {name: [inner.tag for inner in case] for name, case in cases(beside).items()} == {
        "local.vm.net0": [],
        "local.spare.net0": ["skipped"],
        "local.named.net0": ["error"],
    }
    assert (beside[0].get("errors"), beside[0].get("skipped")) == ("1", "1")
    assert (alone[0].get("errors"), alone[0].get("skipped")) == ("1", "0")


def test_nothing_checked_is_an_error() -> None:
    (suite,) = parsed(as_junit([], WHEN, nothing="vm has no NIC"))

    error = suite.find("testcase/error")
    assert suite.get("errors") == "1"
    assert error is not None
    assert (error.get("type"), error.get("message")) == ("nothing-checked", "vm has no NIC")


def test_a_failure_says_what_was_seen_why_and_what_to_do() -> None:
    failure = parsed(as_junit([broken(tap="vnet3", notes=("mind the MTU",))], WHEN)).find(".//failure")

    assert failure is not None
    assert failure.get("message") == "guest_tso6 is off on the device"
    for words in ("configured   ✓ pass     ✗ fail", "  why: ", "  fix: ", "  note: mind the MTU"):
        assert words in (failure.text or "")


def test_the_output_has_every_ladder() -> None:
    out = parsed(as_junit([ready(), meant_off(nic="net1")], WHEN)).findtext(".//system-out") or ""

    assert out.count("  negotiated ") == 2
    assert "RSC is off, as it is meant to be" in out


def test_properties_tell_which_nic_it_was_and_leave_out_what_it_has_not() -> None:
    root = parsed(as_junit([ready(), off(nic="net1", rsc=None, purpose=None)], WHEN))

    assert {item.get("name"): item.get("value") for item in root.iter("property")} == {
        "vm.net0.mac": "52:54:00:12:34:56",
        "vm.net0.tap": "tap0",
        "vm.net0.rsc": "true",
        "vm.net0.purpose": "production",
        "vm.net1.mac": "52:54:00:12:34:56",
    }


def test_the_time_is_told_in_utc() -> None:
    assert parsed(as_junit([ready()], WHEN))[0].get("timestamp") == "2026-11-22T12:00:05"


def test_a_host_that_was_not_reached_is_not_passed_over() -> None:
    (suite,) = parsed(as_junit([], WHEN, {"hv3": "ssh: timed out"}))

    error = suite.find("testcase/error")
    assert (suite.get("name"), suite.get("errors")) == ("hv3", "1")
    assert error is not None
    assert (error.get("type"), error.get("message")) == ("host-not-reached", "ssh: timed out")


def test_no_nic_at_all_is_an_empty_file_that_parses() -> None:
    assert len(parsed(as_junit([], datetime.now(UTC)))) == 0


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_breaks_the_file(text: str) -> None:
    root = parsed(as_junit([hostile(text), ready()], WHEN, {text + "!": text}))

    assert len(cases(root)) == 3
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-out",
        "system-err",
    }  # fmt: skip
    said = [
        *map(str, root.itertext()),
        *(str(value) for element in root.iter() for value in element.attrib.values()),
    ]
    assert all(c.isprintable() or c == "\n" for words in said for c in words)
    assert max(map(len, said)) < 30_000


def test_an_answer_without_end_is_cut() -> None:
    assert len(as_junit([silent(tap="x" * 20_000_000)], WHEN)) < 20_000
