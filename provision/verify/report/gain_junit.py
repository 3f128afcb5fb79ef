"""A gain as JUnit XML, for CI: one case, which fails where the gain is less than it has to be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.verify.gain.words import sentence
from provision.verify.report.gain_text import as_text, exit_status, missed

if TYPE_CHECKING:
    from provision.verify.gain.figures import Gain

_NAME = 256


def as_junit(gain: Gain, when: datetime, least: float | None, trouble: str = "") -> str:
    """The file of `bench --junit`, in the form of that of `check`."""
    from lxml import etree  # noqa: PLC0415 - --help stays fast

    failures = 0 if trouble else exit_status(gain, least)
    seconds = f"{sum(leg.seconds for leg in gain.legs):.3f}"
    host = short(gain.host, _NAME)
    head = {
        "name": host, "package": "rscvm", "id": "0", "hostname": host, "timestamp": f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        "tests": "1", "failures": str(failures), "errors": str(int(bool(trouble))), "skipped": "0", "time": seconds,
    }  # fmt: skip
    root = etree.Element("testsuites")
    suite = etree.SubElement(root, "testsuite", head)
    etree.SubElement(suite, "properties")
    named = {"classname": f"{host}.{short(gain.machine, _NAME)}", "name": f"{short(gain.nic, _NAME)} gain"}
    case = etree.SubElement(suite, "testcase", {**named, "time": seconds})
    said = "\n".join(short(line.plain) for line in as_text(gain))
    if least is not None and failures:
        why = f"{missed(gain, least)}: {sentence(gain)}"
        etree.SubElement(case, "failure", type="gain-missed", message=short(why)).text = said
    if trouble:
        etree.SubElement(case, "error", type="bench-failed", message=short(trouble)).text = said
    etree.SubElement(suite, "system-out").text = said
    etree.SubElement(suite, "system-err").text = ""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True).decode()
