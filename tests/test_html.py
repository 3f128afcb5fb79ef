"""The HTML page: complete in itself, nothing from outside in its markup, and readable."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from provision.runtime.safe_text import escaped
from provision.verify.collect.ways import ways_to
from provision.verify.evidence import Traffic
from provision.verify.judge.verdict import NicVerdict, judge_nic
from provision.verify.report.html import as_html
from tests.builders import nic
from tests.topologies import ADDRESSED, TAP, features, link, read
from tests.verdicts import HOSTILE, broken, every_kind, host_off, hostile, meant_off, off, ready, silent

Golden = Callable[[str, str], None]

WHEN = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
ALIKE = "alike"


class Page(HTMLParser):
    """A page's markup apart from its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.markup: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.markup.append((f"/{tag}", []))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.markup.append((f"<!--{data}-->", []))

    def handle_decl(self, decl: str) -> None:
        self.markup.append((f"<!{decl}>", []))

    def unknown_decl(self, data: str) -> None:
        self.markup.append((f"<![{data}", []))


def html(verdicts: list[NicVerdict], errors: dict[str, str] | None = None) -> str:
    return as_html(verdicts, when=WHEN, title="check of a lab", errors=errors)


def order(text: str) -> list[str]:
    return re.findall(r'<h3 id="nic-\d+"><bdi>(.*?)</bdi>', text)


def test_the_page_is_as_it_was(golden: Golden) -> None:
    verdicts = [
        meant_off(machine="router", host="hv2"),
        silent(machine="old"),
        broken(notes=("mind the MTU",)),
    ]

    golden("report/page.html", html(verdicts, errors={"hv3": "ssh: timed out"}))


def test_the_worst_come_first() -> None:
    text = html(every_kind())

    assert order(text) == [
        "win2022.net0", "win11.net0", "win2019.net0", "spare.net0", "old.net0", "router.net0", "linux.net0",
        "linux.net1",
    ]  # fmt: skip
    assert "8 NICs: 3 not ready, 2 unknown, 3 ready" in text


def test_every_element_is_closed_in_its_turn() -> None:
    open_: list[str] = []
    for tag, _ in Page(html(every_kind(), errors={"hv3": "lost"})).markup:
        if tag.startswith("/"):
            assert open_.pop() == tag[1:]
        elif not tag.startswith("<!") and tag != "meta":
            open_.append(tag)

    assert open_ == []


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = html(every_kind())
    markup = Page(text).markup
    policy = next(
        dict(attrs)["content"] for tag, attrs in markup if ("http-equiv", "Content-Security-Policy") in attrs
    )
    style = text.split("<style>")[1].split("</style>")[0]

    assert {tag.strip("/") for tag, _ in markup} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "form",
    } == set()
    names = {name for _, attrs in markup for name, _ in attrs}
    assert names & {"src", "srcset", "style", "action", "background"} == set()
    assert not any(name.startswith("on") for name in names)
    assert all(
        value and value.startswith("#") for _, attrs in markup for name, value in attrs if name == "href"
    )
    assert "url(" not in style
    assert "@import" not in style
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in policy


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_from_outside_is_markup(text: str) -> None:
    def page(word: str) -> Page:
        return Page(as_html([hostile(word)], when=WHEN, title=word, errors={word: word}))

    found, alike = page(text), page(ALIKE)

    assert found.markup == alike.markup
    assert all(c.isprintable() or c == "\n" for c in found.text)
    assert found.text.count(escaped(text[:100])) >= alike.text.count(ALIKE) // 2


def test_a_name_is_cut_in_headings_and_whole_in_the_evidence() -> None:
    text = html([ready(machine="m" * 1500)])

    assert order(text) == ["m" * 120 + " …"]
    assert f"<bdi>{'m' * 1500}</bdi>" in text


def test_an_answer_without_end_is_cut() -> None:
    assert len(html([silent(machine="x" * 20_000_000)])) < 100_000


def test_a_hundred_nics_are_a_page() -> None:
    text = html([ready(machine=f"vm{i:03}") for i in range(100)])

    assert len(order(text)) == 100
    assert len(text) < 2_000_000


def test_cause_seen_why_fix_and_notes_are_told() -> None:
    found = Page(html([host_off(tap="vnet7", notes=("vnet7 is down",))])).text

    for words in ("host-disabled-checksum", "and the guest took it", "somebody on the host", "vnet7 is down"):
        assert words in found
    assert '<li class="command"><code>ethtool -K vnet7 tx on</code></li>' in html([host_off(tap="vnet7")])


def test_each_state_is_a_word_and_not_its_colour_alone() -> None:
    text = html(every_kind())

    for state in ("pass", "fail", "unknown"):
        cells = re.findall(rf'<td role="cell" class="{state}">(.*?)</td>', text)
        assert cells
        words = (f"</span> {state}", "</span> off" if state == "fail" else f"</span> {state}")
        assert all(cell.endswith(words) for cell in cells)


def test_rungs_that_were_not_asked_are_one_row() -> None:
    text = html([ready()])

    assert text.count("not asked</th>") == 1
    assert (
        'colspan="3">gathered: the devices before its TAP were not looked at; enabled, operational: the guest'
        in text
    )
    assert "skipped" not in text.split("</style>")[1]


def test_evidence_is_folded_away_and_complete() -> None:
    text = html([host_off()])
    evidence = text.split("<details>")[1]

    assert "<details open" not in text
    assert '<tr><th scope="row">tx-tcp-segmentation</th><td>off [requested on]</td></tr>' in evidence
    assert '<tr><th scope="row">VIRTIO_NET_F_GUEST_TSO4</th><td>yes</td><td>yes</td></tr>' in evidence
    assert '<tr><th scope="row">guest_rsc_ext</th><td>off</td></tr>' in evidence


def test_a_source_that_did_not_answer_says_why() -> None:
    assert "<strong>TAP features (ethtool -k)</strong>: the machine is not running" in html([off()])


def test_what_is_off_as_it_is_meant_to_be_is_no_fault_of_either_family() -> None:
    text = html([meant_off()]).split('<h2 id="nics">')[1].split("<details>")[0]

    assert "✗" not in text
    assert "not ready" not in text
    assert 'ipv4 <span class="skipped">off</span>' in text


def test_rsc_that_is_meant_to_be_off_is_not_sold_as_working() -> None:
    assert "<p>RSC is off, as it is meant to be.</p>" in html([meant_off()])


def test_hosts_are_told_apart_where_there_are_several() -> None:
    assert '<th scope="col" class="wide">host</th>' in html(every_kind())
    assert '<th scope="col" class="wide">host</th>' not in html([ready()])


def test_a_host_that_could_not_be_asked_is_told() -> None:
    assert "<bdi>hv3</bdi></th><td>ssh: timed out</td>" in html([ready()], errors={"hv3": "ssh: timed out"})


def test_a_fix_is_code_only_where_it_is_code() -> None:
    text = html([host_off(tap="vnet7"), off(nic="net1")])

    assert (
        "<li>take <code>ethtool -K … tx off</code> out of the script or hook that runs it; a reboot of the guest "
        "undoes it too</li>"
    ) in text
    assert "<li>start it</li>" in text


def test_a_verdict_of_the_hosts_side_alone_says_so() -> None:
    assert "ready (host side; the guest was not asked)</span></h3>" in html([ready()])
    assert "host side" not in html([meant_off(), broken()])


def test_no_nic_at_all_is_a_page() -> None:
    assert "There is no NIC to judge." in html([])


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", html([]), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[["light", "dark"].index(scheme)]))

    for text in ("text", "muted", "link", "bad", "open", "good"):
        for behind in ("page", "card", "raised"):
            darker, lighter = sorted((luminance(colours[text]), luminance(colours[behind])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, behind)


def test_the_way_is_drawn_with_the_place_that_cuts() -> None:
    evil = "<b>&eno1"
    host = read([TAP, ADDRESSED, link(evil, master="br0")], told={evil: features("generic-receive-offload")})
    page = as_html([judge_nic(nic(ways=ways_to(host, "", "tap0")))], when=WHEN, title="x")

    assert '<ol class="way">' in page
    assert '<li class="fail"><bdi>&lt;b&gt;&amp;eno1</bdi>' in page
    assert page.count("<li><bdi>br0</bdi>") == 2


def test_the_mean_frame_over_time_is_drawn_where_it_was_watched() -> None:
    means = ((1.0, 1514.0), (2.0, 32_000.0), (3.0, None), (4.0, 90_000.0))
    watched = judge_nic(nic(traffic=Traffic(3000, 40_000_000, 4.0, 1500, means=means)))
    once = judge_nic(nic(traffic=Traffic(3000, 40_000_000, 4.0, 1500, means=means[:1])))

    page = html([watched])

    assert (
        'aria-label="Mean frame handed to the guest while it was watched, kB: 1.5, 32.0, none, 90.0"' in page
    )
    assert 'points="203.5,78.3 311.0,44.0"' in page
    assert 'points="526.0,8.0"' in page
    assert ">4 s</text>" in page
    assert "<svg" not in html([once]) + html([ready()])
