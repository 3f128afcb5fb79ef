"""A gain as it is shown: the table, the document, JUnit, and a page that is complete in itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from lxml import etree

from provision.verify.gain.figures import Gain
from provision.verify.report.gain_html import as_html
from provision.verify.report.gain_junit import as_junit
from provision.verify.report.gain_text import as_json, as_text, exit_status
from tests.gains import gain, leg
from tests.verdicts import HOSTILE, ready

Golden = Callable[[str, str], None]

WHEN = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)


def html(found: Gain) -> str:
    return as_html(found, ready(), when=WHEN)


def test_the_table_is_as_it_was(golden: Golden) -> None:
    golden("report/gain.txt", "\n".join(line.plain for line in as_text(gain(notes=("mind the MTU",)))) + "\n")


@pytest.mark.parametrize("width", [80, 60, 40])
def test_in_a_narrow_terminal_every_row_is_a_line_and_no_column_is_lost(width: int) -> None:
    found = gain(legs=(*gain().legs, leg("reference", 12.8), leg("reference", 10.84)))
    wide, narrow = as_text(found), as_text(found, width)
    rows = [line.plain for line in narrow[1:] if not line.plain.startswith(("pairs", "limit"))]

    assert max(map(len, rows)) <= width
    assert sorted(" ".join(rows).split()) == sorted(
        " ".join(
            [*(line.plain for line in wide[1:5]), *["RSC on RSC off rsc: false"] * (len(rows) // 4 - 1)]
        ).split()
    )
    if width == 80:
        assert all(word in rows[0] for word in ("Gb/s", "(range)", "mean frame", "host CPU", "vCPU"))
        assert len(rows) == 8


def test_the_document_is_as_it_was(golden: Golden) -> None:
    golden("report/gain.json", json.dumps(as_json(gain()), indent=2, ensure_ascii=False) + "\n")


def test_the_page_is_as_it_was(golden: Golden) -> None:
    head, rest = html(gain(notes=("mind the MTU",))).split("<style>")
    golden("report/gain.html", re.sub("sha256-[^']*", "sha256-…", head) + rest.split("</style>")[1])


def test_a_gain_is_held_against_the_least_that_it_has_to_be() -> None:
    assert [exit_status(gain(), least) for least in (None, 3.7, 3.8, 3.9)] == [0, 0, 1, 1]
    assert gain().ratio.median == pytest.approx(3.7777, abs=0.001)


@pytest.mark.parametrize(("least", "failures"), [(None, 0), (3.0, 0), (5.0, 1)])
def test_a_gain_that_is_missed_fails_in_ci(least: float | None, failures: int) -> None:
    root = etree.fromstring(as_junit(gain(), WHEN, least).encode())
    [suite] = root
    found = suite.findall("testcase/failure")

    assert (suite.get("tests"), suite.get("failures")) == ("1", str(failures))
    assert [each.get("message") for each in found] == [
        "the gain is 3.778 live, and 5 was the least: RSC is worth 3.8x here (0.88 → 3.36 Gb/s); mean frame 1.5 → 60 kB"
    ][:failures]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_from_outside_is_markup(text: str) -> None:
    def told(word: str) -> list[str]:
        found = gain(host=word, machine=word, nic=word, command=word, notes=(word,))
        return re.findall(r"<[^>]*>", html(found).split("</style>")[1])

    found = gain(host=text, machine=text, nic=text, command=text, notes=(text,))

    assert told(text) == told("alike")
    etree.fromstring(as_junit(found, WHEN, 9).encode())


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = html(gain())
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"default-src 'none'; style-src 'sha256-{digest}';" in text
    assert not re.search(
        r"<(script|link|img|iframe|object|image|use|foreignObject)|\s(src|href|style|on\w+)=", text
    )
    assert "url(" not in style
    assert "@import" not in style


def test_every_plot_says_what_it_shows_to_who_does_not_see_it() -> None:
    labels = re.findall(r'role="img" aria-label="([^"]*)"', html(gain()))

    assert labels == [
        "Throughput, Gb/s: the median, each leg, and their range: RSC on 3.36, RSC off 0.88",
        "Mean frame handed to the guest, kB: RSC on 60 kB, RSC off 1.5 kB",
        "CPU seconds a GB, on the host: RSC on 11.00, RSC off 6.50",
    ]


def test_what_a_windows_driver_counted_is_shown() -> None:
    found = gain(legs=(leg("on", 3, coalesced=41_000), leg("off", 1, coalesced=0)))

    assert "CoalescedHost: RSC on 41000, RSC off 0" in as_text(found)[5].plain
    assert as_json(found)["legs"]["off"]["coalesced_host"] == 0
    assert not any("CoalescedHost" in line.plain for line in as_text(gain()))


def test_what_nobody_could_tell_is_shown_as_not_told() -> None:
    legs = (leg("on", 3, named=False, guest_busy=None, retransmits=None), leg("off", 1, named=False))
    found = gain(legs=legs)

    assert [line.plain.split()[-1] for line in as_text(found)[2:3]] == ["-"]
    assert as_json(found)["legs"]["on"]["host_cpu_s_per_gb"] is None
    assert "CPU seconds" not in html(found)


def test_the_reference_stands_beside_it_where_it_was_measured() -> None:
    legs = (*gain().legs, leg("reference", 0.8), leg("reference", 0.84))
    found = gain(legs=legs)

    assert as_json(found)["reference_gain"] == pytest.approx(4.1, abs=0.01)
    assert as_json(found)["legs"]["reference"]["gbps"]["max"] == 0.84
    assert "; 4.1x against the device without it (0.82 Gb/s)" in as_text(found)[0].plain
    assert found.ratio == gain().ratio
    assert "rsc: false 0.82" in html(found)
