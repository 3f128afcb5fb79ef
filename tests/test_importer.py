"""A domain as a lab file and back, and when two domains are the same machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from provision.facts.domain_compare import differences
from provision.facts.domain_tolerated import ABSENT, DEFAULTS, IGNORED
from provision.facts.domain_tree import text_of
from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.verbs.importer.import_domain import import_domain
from provision.verbs.importer.reasons import WHY
from tests.builders import lab_of
from tests.domains import HERE, NIC, SMALL, STYLES, domain_of, fixture, rendered, small
from tests.labs import THREE_VMS

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", STYLES)
def test_each_style_of_domain_becomes_this_lab_file(name: str, golden: Golden) -> None:
    golden(f"import/{name}.yaml", import_domain(fixture(name), HERE).text)


@pytest.mark.parametrize("name", STYLES)
def test_what_was_imported_and_rendered_is_imported_without_a_note_and_renders_the_same(name: str) -> None:
    once = import_domain(fixture(name), HERE)
    again = import_domain(domain_of(rendered(once)), HERE)

    assert again.notes == ()
    assert rendered(again) == rendered(once).replace(_digest(rendered(once)), _digest(rendered(again)))


def _digest(xml: str) -> str:
    found = re.search('digest="[0-9a-f]*"', xml)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", ["windows", "windows-argv", "dut"])
def test_our_own_domains_come_back_as_they_are(name: str) -> None:
    """But for the digest: what was an overlay is now a disk of its own."""
    xml = domain_xml(machine_view(lab_of(THREE_VMS), name))

    imported = import_domain(domain_of(xml), HERE)

    assert imported.notes == ()
    assert rendered(imported).replace(_digest(rendered(imported)), _digest(xml)) == xml


_OTHER = {"on": "off", "off": "on", "yes": "no", "no": "yes", "true": "false", "false": "true"}


def changes(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Every attribute and text of a domain changed, one at a time: where, and the domain's XML then."""
    for element in root.iter("*"):
        where = element.getroottree().getpath(element)
        for name, value in ((str(name), str(value)) for name, value in element.items()):
            element.set(name, _OTHER.get(value, f"{value}7"))
            yield f"{where}@{name}", etree.tostring(root, encoding="unicode")
            element.set(name, value)
        if was := text_of(element):
            element.text = f"{was}7"
            yield where, etree.tostring(root, encoding="unicode")
            element.text = was


# What the table IGNORED lets these domains have otherwise, spelled by their XML; and what is void, or in the same order.
_UNSEEN = re.compile(
    r"domain@id|domain/(uuid|name)|/alias|/address|/seclabel|/backingStore|source@index|target@dev|/audio"
    r"|domain/metadata/.*/|controller(\[\d\])?@(index|model)$|/input|/console|serial/source|video/model@[^t]|@(check|migratable|fallback)"
    r"|os/(loader|nvram|firmware)|boot@order|property(\[\d\])?@type|interface\[4\]/driver/guest@tso4"
)


@pytest.mark.parametrize("name", [name for name in STYLES if "composed" in name])
def test_nothing_that_counts_changes_unseen(name: str) -> None:
    text = fixture(name).persistent_xml
    unseen = [where for where, xml in changes(etree.fromstring(text)) if differences(text, xml) == ()]

    assert [where for where in unseen if not _UNSEEN.search(where)] == []


def test_every_row_of_the_tables_has_a_reason_and_a_pattern() -> None:
    for pattern, reason in (*IGNORED, *WHY):
        re.compile(pattern)
        assert reason
    assert all(values for _, values in DEFAULTS)
    assert all(reason for _, _, reason in ABSENT)


def test_ten_megabytes_of_words_are_a_short_note() -> None:
    imported = small(**{"<devices>": f"<description>{'x' * 10_000_000}</description><devices>"})

    assert len(imported.text) < 5000
    assert any(note.path == "description" for note in imported.notes)


def test_differences_are_seen_in_what_a_guest_gets_and_not_in_what_libvirt_adds() -> None:
    xml = SMALL.replace("DEVICES", NIC.replace("MORE", "<model type='virtio'/>"))
    libvirts = xml.replace(
        "<model type", "<target dev='vnet0'/><alias name='net0'/><address type='pci'/><model type"
    )
    hardware = xml.replace(
        "<model type='virtio'/>", "<model type='virtio'/><driver><guest tso6='off'/></driver>"
    )

    assert differences(xml, libvirts) == ()
    assert [(row.path, row.was, row.now) for row in differences(xml, hardware)] == [
        ("devices/interface[52:54:00:00:00:01]/offloads@guest_tso6", "on", "off")
    ]


def test_the_fixtures_are_all_there() -> None:
    assert {Path(name).parent.name for name in STYLES} == {"virt-install-4.1.0", "libvirt-9.0.0", "composed"}
    assert len(STYLES) >= 12
