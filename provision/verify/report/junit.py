"""Verdicts as JUnit XML, for CI: a suite a host, a case a NIC.

There is no one schema. What is written here is what Ant's and Jenkins's have in common, so that either
takes it: properties and output are the suite's, since Ant knows neither of a case.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.verify.report.style import NO_CAUSE, nic_name
from provision.verify.report.summary import counted
from provision.verify.report.text import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxml.etree import _Element

    from provision.verify.judge.verdict import NicVerdict

    _Told = tuple[NicVerdict, str]
    """A verdict and the element that it is in its case; none where it passes."""

_NAME = 256
_PROPERTIES = ("mac", "tap", "rsc", "purpose")
_NOT_MEASURED = "0"  # Ant's schema wants a time, and NICs of a host are asked together
_OUTCOME = {"not-ready": "failure", "unknown": "error"}
_UNREACHED = "host-not-reached"
_NOTHING = "nothing-checked"
_NOWHERE = "rscvm check"
"""What stands for a host where there was none with a NIC."""


def as_junit(
    verdicts: Sequence[NicVerdict],
    when: datetime,
    errors: Mapping[str, str] | None = None,
    nothing: str = "",
) -> str:
    """The file of `check --junit`; what is unknown is an error, never a skip that CI would pass over.

    Skipped are NICs of machines that are off and do not count. `errors` are the hosts of which there is no verdict,
    and why, `nothing` tells why there is no NIC at all: each is a suite with an error in it.
    """
    from lxml import etree  # noqa: PLC0415 - --help stays fast

    root = etree.Element("testsuites")
    told = _told(verdicts)
    broken = {host: (_UNREACHED, why) for host, why in (errors or {}).items()}
    broken |= {_NOWHERE: (_NOTHING, nothing)} if nothing else {}
    for number, host in enumerate(dict.fromkeys([*(v.evidence.host for v, _ in told), *broken])):
        here = [row for row in told if row[0].evidence.host == host]
        suite = etree.SubElement(root, "testsuite", _head(host, number, when, here, failed=host in broken))
        _fill(suite, here)
        if host in broken:
            _unreached(suite, host, *broken[host])
        out = etree.SubElement(suite, "system-out")
        out.text = "\n".join(_block(verdict) for verdict, _ in here)
        etree.SubElement(suite, "system-err").text = short(broken.get(host, ("", ""))[1])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True).decode()


def _told(verdicts: Sequence[NicVerdict]) -> list[_Told]:
    counts = {id(verdict) for verdict in counted(verdicts)}
    return [(v, _OUTCOME.get(v.verdict, "") if id(v) in counts else "skipped") for v in verdicts]


def _head(host: str, number: int, when: datetime, here: Sequence[_Told], *, failed: bool) -> dict[str, str]:
    counts = Counter(outcome for _, outcome in here)
    return {
        "name": short(host, _NAME),
        "package": "rscvm",
        "id": str(number),
        "hostname": short(host, _NAME),
        "timestamp": f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",  # Ant's schema takes no time zone
        "tests": str(len(here) + failed),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"] + failed),
        "skipped": str(counts["skipped"]),
        "time": _NOT_MEASURED,
    }


def _fill(suite: _Element, here: Sequence[_Told]) -> None:
    from lxml import etree  # noqa: PLC0415

    properties = etree.SubElement(suite, "properties")
    for verdict, _ in here:
        nic = verdict.evidence
        for name in _PROPERTIES:
            if value := getattr(nic, name):
                key = f"{short(nic_name(nic), _NAME)}.{name}"
                etree.SubElement(properties, "property", name=key, value=short(value, _NAME))
    for verdict, outcome in here:
        nic, finding = verdict.evidence, verdict.finding
        case = _case(suite, f"{short(nic.host, _NAME)}.{short(nic.machine, _NAME)}", nic.nic)
        if outcome:
            kind = finding.cause.id if finding.cause else NO_CAUSE.replace(" ", "-")
            told = etree.SubElement(case, outcome, type=kind, message=short(finding.seen))
            told.text = _block(verdict)


def _unreached(suite: _Element, host: str, kind: str, why: str) -> None:
    from lxml import etree  # noqa: PLC0415

    case = _case(suite, short(host, _NAME), "host")
    etree.SubElement(case, "error", type=kind, message=short(why)).text = short(why)


def _case(suite: _Element, classname: str, name: str) -> _Element:
    from lxml import etree  # noqa: PLC0415

    return etree.SubElement(
        suite, "testcase", classname=classname, name=short(name, _NAME), time=_NOT_MEASURED
    )


def _block(verdict: NicVerdict) -> str:
    """The NIC's verdict, ladder, cause, fixes and notes, as `check` prints them."""
    return "\n".join(short(line.plain) for line in as_text([verdict]))
