"""Edits of a domain's XML: what was asked for, and nothing beside it."""

from __future__ import annotations

import difflib

import pytest

from provision.runtime.errors import UnreadableError
from provision.verbs.fix.domain_edit import DropOverride, Edit, SetValue, edited, laid_out
from tests.repairs import DROP_HCK, SET_QEMU, SET_TSO4, SET_VIRTIO

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
    """The lines that differ once both are laid out alike, without their indentation."""
    old, new = (laid_out(text).split("\n") for text in (before, after))
    return [line for line in difflib.ndiff(old, new) if line[0] in "+-"]


def flat(text: str) -> str:
    """The interface on one line."""
    found = laid_out(text)
    inner = found[found.index("<interface>") :].partition("</interface>")[0].removeprefix("<interface>")
    return "".join(line.strip() for line in inner.split("\n"))


def test_a_value_is_changed_and_nothing_beside_it() -> None:
    assert lines(LIBVIRTS, edited(LIBVIRTS, [SET_TSO4])) == [
        "-         <guest csum='on' tso4='off' tso6='off'/>",
        "+         <guest csum='on' tso4='on' tso6='off'/>",
    ]


def test_of_several_nics_only_the_one_that_is_meant_changes() -> None:
    assert lines(LIBVIRTS, edited(LIBVIRTS, [SetValue(1, ("model",), "type", "virtio")])) == [
        "-       <model type='e1000e'/>",
        "+       <model type='virtio'/>",
    ]


def test_a_missing_element_is_made_where_libvirt_writes_it() -> None:
    second = SetValue(1, ("driver", "guest"), "tso4", "on")
    assert lines(LIBVIRTS, edited(LIBVIRTS, [second])) == [
        "+       <driver>",
        "+         <guest tso4='on'/>",
        "+       </driver>",
    ]
    after = laid_out(edited(LIBVIRTS, [second]))
    assert after.index("<model type='e1000e'/>") < after.index("<guest tso4='on'/>")


def test_an_override_goes_with_all_that_held_nothing_else() -> None:
    after = edited(LIBVIRTS, [DROP_HCK])

    assert [line.removeprefix("- ").strip() for line in lines(LIBVIRTS, after)] == [
        line.strip()
        for line in LIBVIRTS[LIBVIRTS.index("  <qemu:override>") :].removesuffix("</domain>\n").splitlines()
    ]


def test_what_stands_beside_a_dropped_property_stays() -> None:
    more = "        <qemu:property name='x' type='bool' value='true'/>\n"
    before = LIBVIRTS.replace("      </qemu:frontend>", f"{more}      </qemu:frontend>")

    after = edited(before, [DROP_HCK])

    assert 'name="x"' in after
    assert "guest_rsc_ext" not in after
    assert len(lines(before, after)) == 2


@pytest.mark.parametrize(
    "edits", [[], [DropOverride("ua-other", ("guest_rsc_ext",))], [SetValue(1, ("model",), "type", "e1000e")]]
)
def test_an_edit_that_is_made_already_leaves_the_text_itself(edits: list[Edit]) -> None:
    assert edited(LIBVIRTS, edits) is LIBVIRTS


@pytest.mark.parametrize(
    ("inner", "edit", "wanted"),
    [
        ("<model type='virtio'/>", SET_TSO4, "<model type='virtio'/><driver><guest tso4='on'/></driver>"),
        ("<driver/>", SET_QEMU, "<driver name='qemu'/>"),
        ("<driver></driver>", SET_TSO4, "<driver><guest tso4='on'/></driver>"),
        ("<driver\n name = 'vhost'/>", SET_QEMU, "<driver name='qemu'/>"),
        ("<driver xname='vhost'/>", SET_QEMU, "<driver xname='vhost' name='qemu'/>"),
        ("<driver><!-- a --></driver>", SET_TSO4, "<driver><!-- a --><guest tso4='on'/></driver>"),
        ("<mac/><link/>", SET_VIRTIO, "<mac/><model type='virtio'/><link/>"),
        ("<link/>", SET_VIRTIO, "<model type='virtio'/><link/>"),
        ("", SET_VIRTIO, "<model type='virtio'/>"),
        ("<model type='&#101;1000e'/>", SET_VIRTIO, "<model type='virtio'/>"),
    ],
)
def test_however_it_is_spelled_it_is_edited(inner: str, edit: Edit, wanted: str) -> None:
    before = f"<domain><devices><interface>{inner}</interface></devices></domain>"

    assert flat(edited(before, [edit])) == wanted


def test_a_description_of_10_mb_costs_no_more_than_reading_it() -> None:
    before = LIBVIRTS.replace("<metadata>", f"<description>{'x ä ' * 2_500_000}</description>\n  <metadata>")

    after = edited(before, [SET_TSO4, SET_QEMU, DROP_HCK])

    assert len(after) < len(before)
    assert 'tso4="on"' in after


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
        edited(text, [SET_TSO4])
