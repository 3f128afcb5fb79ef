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
