"""Edits of a domain's XML: what was asked for, and not a byte beside it."""

from __future__ import annotations

import difflib
import time

import pytest

from provision.runtime.errors import UnreadableError
from provision.verbs.fix.domain_edit import DropOverride, Edit, SetValue, edited

TSO4 = SetValue(0, ("driver", "guest"), "tso4", "on")
VIRTIO = SetValue(0, ("model",), "type", "virtio")
QEMU = SetValue(0, ("driver",), "name", "qemu")
DROP = DropOverride("ua-net0", ("guest_rsc_ext", "rsc_interval"))

# As libvirt 9.0 writes it, with what may stand in metadata.
LIBVIRTS = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a &amp; "b"</name>
  <metadata>
    <!-- <devices><interface><model type='e1000e'/></interface></devices> -->
    <x:note xmlns:x="urn:x"><![CDATA[<interface><driver><guest tso4='off'/></driver></interface>]]></x:note>
    <x:interface xmlns:x='urn:x' a = "1>2" ><x:model type='e1000e'/></x:interface>
  </metadata>
  <?hint <interface> ?>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <driver name='vhost' queues='2'>
        <host csum='on'/>
        <guest csum='on' tso4='off' tso6="off"/>
      </driver>
      <alias name='ua-net0'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:02'/>
      <source bridge='br0'/>
      <model type='e1000e'/>
    </interface>
  </devices>
  <qemu:override>
    <qemu:device alias='ua-net0'>
      <qemu:frontend>
        <qemu:property name='guest_rsc_ext' type='bool' value='true'/>
        <qemu:property name='rsc_interval' type='unsigned' value='1000000'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
"""


def lines(before: str, after: str) -> list[str]:
    """The lines that differ, without their indentation."""
    return [line for line in difflib.ndiff(before.split("\n"), after.split("\n")) if line[0] in "+-"]


def nic(inner: str) -> str:
    return f"<domain>\n  <devices>\n    <interface>{inner}</interface>\n  </devices>\n</domain>"


def test_a_value_is_changed_between_its_quotes() -> None:
    assert lines(LIBVIRTS, edited(LIBVIRTS, [TSO4])) == [
        "-         <guest csum='on' tso4='off' tso6=\"off\"/>",
        "+         <guest csum='on' tso4='on' tso6=\"off\"/>",
    ]
    six = SetValue(0, ("driver", "guest"), "tso6", "on")
    assert "tso4='off' tso6=\"on\"/>" in edited(LIBVIRTS, [six])


def test_of_several_nics_only_the_one_that_is_meant_changes() -> None:
    assert lines(LIBVIRTS, edited(LIBVIRTS, [SetValue(1, ("model",), "type", "virtio")])) == [
        "-       <model type='e1000e'/>",
        "+       <model type='virtio'/>",
    ]


def test_a_missing_element_is_made_where_libvirt_writes_it_and_as_it_is_indented() -> None:
    second = SetValue(1, ("driver", "guest"), "tso4", "on")
    assert lines(LIBVIRTS, edited(LIBVIRTS, [second])) == [
        "+       <driver>",
        "+         <guest tso4='on'/>",
        "+       </driver>",
    ]
    after = edited(LIBVIRTS, [second])
    assert after.index("<model type='e1000e'/>") < after.index("<guest tso4='on'/>")


def test_an_override_goes_with_all_that_held_nothing_else() -> None:
    after = edited(LIBVIRTS, [DROP])

    assert after == LIBVIRTS[: LIBVIRTS.index("\n  <qemu:override>")] + "\n</domain>\n"


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ("        <qemu:property name='x' type='bool' value='true'/>\n", "<qemu:property name='x'"),
        ("        <!-- why -->\n", "<!-- why -->"),
    ],
)
def test_what_stands_beside_a_dropped_property_stays(more: str, left: str) -> None:
    before = LIBVIRTS.replace("      </qemu:frontend>", f"{more}      </qemu:frontend>")

    after = edited(before, [DROP])

    assert left in after
    assert "guest_rsc_ext" not in after
    assert len(lines(before, after)) == 2


def test_an_override_of_another_alias_stays() -> None:
    before = LIBVIRTS.replace("device alias='ua-net0'", "device alias='ua-other'")

    assert edited(before, [DROP]) == before


@pytest.mark.parametrize(
    ("inner", "edit", "wanted"),
    [
        ("<model type='virtio'/>", TSO4, "<model type='virtio'/><driver><guest tso4='on'/></driver>"),
        ("<driver/>", QEMU, "<driver name='qemu'/>"),
        ("<driver />", QEMU, "<driver name='qemu' />"),
        ("<driver></driver>", QEMU, "<driver name='qemu'></driver>"),
        ("<driver></driver>", TSO4, "<driver><guest tso4='on'/></driver>"),
        ("<driver a='>' />", TSO4, "<driver a='>'><guest tso4='on'/></driver>"),
        ("<driver\n name = 'vhost'/>", QEMU, "<driver\n name = 'qemu'/>"),
        ("<driver xname='vhost'/>", QEMU, "<driver xname='vhost' name='qemu'/>"),
        ("<driver note=' name=\"x\"'/>", QEMU, "<driver note=' name=\"x\"' name='qemu'/>"),
        ("<driver><!-- a --></driver>", TSO4, "<driver><guest tso4='on'/><!-- a --></driver>"),
        ("<mac/><link/>", VIRTIO, "<mac/><model type='virtio'/><link/>"),
        ("<link/>", VIRTIO, "<model type='virtio'/><link/>"),
        ("", VIRTIO, "<model type='virtio'/>"),
        ("<model type='&#101;1000e'/>", VIRTIO, "<model type='virtio'/>"),
    ],
)
def test_odd_spellings_are_left_as_they_are(inner: str, edit: Edit, wanted: str) -> None:
    before = f"<domain><devices><interface>{inner}</interface></devices></domain>"

    assert edited(before, [edit]) == f"<domain><devices><interface>{wanted}</interface></devices></domain>"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tabs_and_line_ends_are_the_documents_own(newline: str) -> None:
    before = newline.join(
        ["<domain>", "\t<devices>", "\t\t<interface>", "\t\t</interface>", "\t</devices>", "</domain>"]
    )
    wanted = ["\t\t\t<driver>", "\t\t\t\t<guest tso4='on'/>", "\t\t\t</driver>"]

    assert edited(before, [TSO4]).split(newline)[3:6] == wanted


def test_a_description_of_10_mb_costs_no_more_than_reading_it() -> None:
    before = LIBVIRTS.replace("<metadata>", f"<description>{'x ä ' * 2_500_000}</description>\n  <metadata>")
    started = time.monotonic()

    after = edited(before, [TSO4, QEMU, DROP])

    assert time.monotonic() - started < 10
    assert len(after) < len(before)
    assert after[: after.index("<metadata>")] == before[: before.index("<metadata>")]


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE domain><domain><devices><interface/></devices></domain>",
        '<!DOCTYPE domain [<!ENTITY e "<interface/>">]><domain><devices>&e;</devices></domain>',
        "<domain><devices>",
        "<network/>",
        "\ud800",
    ],
)
def test_what_is_no_plain_domain_is_not_edited(text: str) -> None:
    with pytest.raises(UnreadableError):
        edited(text, [TSO4])
