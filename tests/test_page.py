"""What `check --html` tells of the hosts: how they are reached, and the versions of what answered."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provision.api.saved import Keep, judged_from
from provision.cli.page import Page
from provision.verbs.check import Look, check
from provision.verify.collect.source import domain_source
from provision.verify.report.about import host_lines
from provision.verify.report.html import Beside, as_html
from tests.builders import FakeEdges
from tests.recordings import FEATURES, OneDomain, SayingHost, qemu
from tests.verdicts import ready

URI = "qemu:///system"


def edges() -> FakeEdges:
    return FakeEdges(SayingHost("hv", features=FEATURES), OneDomain(qmp=qemu()))


def checked(keep: Keep) -> None:
    with keep.of_domains(edges(), "hv", URI, ()) as asked:
        check(domain_source(asked, "hv", ()), Look())


def test_versions_are_told_also_where_nothing_is_kept_and_of_evidence_as_it_has_them(tmp_path: Path) -> None:
    now: dict[str, Mapping[str, str]] = {}
    then: dict[str, Mapping[str, str]] = {}

    checked(Keep(None, Look(), now))
    checked(Keep(str(tmp_path / "kept"), Look()))
    judged_from(str(tmp_path / "kept"), None, then)

    assert now["hv"]["QEMU of vm"] == "7.2.22"
    assert then == now
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_page_tells_how_each_host_is_reached_and_this_one_also_by_its_own_name() -> None:
    page = Page(tools={"hv": {"libvirt": "9.0.0"}})
    there: dict[str, Any] = {
        "hv": replace(domain_source(edges(), "hv", ()), reached=("--connect", URI)),
        "local": replace(domain_source(edges(), "local", ()), reached=("lab.yaml",)),
    }

    page.note(there)
    head = page.html([ready(host="hv")], datetime(2026, 11, 29, tzinfo=UTC), {}, "").split("</header>")[0]

    assert f"<li><bdi>hv</bdi>: <bdi>{URI}; libvirt 9.0.0</bdi></li>" in head
    assert f"<li><bdi>local</bdi>: <bdi>host {platform.node()}; lab file lab.yaml</bdi></li>" in head


def test_the_head_tells_who_checked_what_and_with_which_versions() -> None:
    tools = {
        "hv1": {
            "libvirt": "9.0.0",
            "QEMU of a": "7.2.22",
            "QEMU of b": "7.2.22",
            "ethtool": "ethtool version 6.1",
        }
    }
    ways = {"hv1": "qemu+ssh://hv1/system", "<hv2>": ""}
    hosts = host_lines(ways, tools, [ready(host="hv1", kernel="6.1.0-25-amd64")])

    text = as_html(
        [ready()],
        when=datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC),
        title="t",
        beside=Beside("rscvm 0.2.0 check", hosts),
    )
    head = text.split("<header>")[1].split("</header>")[0]

    assert "<p>rscvm 0.2.0 check, 2026-11-22 12:00:05 UTC. 1 NIC: 1 ready.</p>" in head
    assert (
        "<li><bdi>hv1</bdi>: <bdi>qemu+ssh://hv1/system; libvirt 9.0.0; QEMU 7.2.22; kernel 6.1.0-25-amd64; "
        "ethtool version 6.1</bdi></li>"
    ) in head
    assert "&lt;hv2&gt;" in head
