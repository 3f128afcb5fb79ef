"""For any document: an edit does what was asked for and nothing else, and a second time nothing at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from provision.facts.domain_tree import read_domain
from provision.verbs.fix.domain_edit import Edit, SetValue, edited
from tests.repairs import DROP_HCK, SET_QEMU, SET_TSO4, SET_VIRTIO

_JUNK = st.sampled_from(
    ["", "\n      ", "<!-- <model type='x'/> -->", "<link state='up'/>", "<!-- \" ' -->", "<?p <a> ?>", " "]
)
_QUOTE = st.sampled_from("'\"")


@st.composite
def attributes(draw: st.DrawFn, names: str, values: list[str]) -> str:
    """Some of these attributes, in any order and either kind of quotes."""
    parts = []
    for name in draw(st.lists(st.sampled_from(names.split()), unique=True)):
        quote, equals, value = (
            draw(_QUOTE),
            draw(st.sampled_from(["=", " = "])),
            draw(st.sampled_from(values)),
        )
        parts.append(f" {name}{equals}{quote}{value}{quote}")
    return "".join(parts)


@st.composite
def interfaces(draw: st.DrawFn) -> str:
    """A NIC that has some of what the edits are about."""
    guest = f"<guest{draw(attributes('csum tso4 tso6 ecn', ['on', 'off']))}/>"
    inner = draw(_JUNK) + draw(st.sampled_from(["", guest])) + draw(_JUNK)
    driver = f"<driver{draw(attributes('name queues', ['vhost', 'qemu', '4', '&gt;']))}>{inner}</driver>"
    model = f"<model{draw(attributes('type', ['e1000e', 'virtio']))}/>"
    mac = "<mac address='52:54:00:00:00:01'/>"
    parts = draw(st.permutations([part for part in (mac, model, driver) if draw(st.booleans())]))
    return "<interface>" + "".join(draw(_JUNK) + part for part in parts) + draw(_JUNK) + "</interface>"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Domains, written in many ways."""
    nics = draw(st.lists(interfaces(), min_size=1, max_size=3))
    properties = "".join(
        f"<q:property name='{name}' value='true'/>{draw(_JUNK)}"
        for name in draw(st.lists(st.sampled_from(["guest_rsc_ext", "rsc_interval", "other"])))
    )
    override = (
        f"<q:override>{draw(_JUNK)}<q:device alias='{draw(st.sampled_from(['ua-net0', 'ua-x']))}'>"
        f"<q:frontend>{properties}</q:frontend></q:device></q:override>"
    )
    return (
        f"<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>{draw(_JUNK)}<devices>{draw(_JUNK)}"
        f"{draw(_JUNK).join(nics)}</devices>{override}</domain>"
    )


EDITS = st.sampled_from([SET_TSO4, SET_VIRTIO, SET_QEMU, DROP_HCK])


def wanted_tree(text: str, edit: Edit) -> bytes:
    """The same edit, written once more and without regard to order: the tree to compare with."""
    root = read_domain(text)
    if isinstance(edit, SetValue):
        element = root.findall("devices/interface")[edit.nic]
        for tag in edit.path:
            found = element.find(tag)
            element = etree.SubElement(element, tag) if found is None else found
        element.set(edit.attribute, edit.value)
    else:
        q = "{http://libvirt.org/schemas/domain/qemu/1.0}"
        for device in root.iterfind(f"{q}override/{q}device"):
            for prop in list(device.iterfind(f"{q}frontend/{q}property")):
                if device.get("alias") == edit.alias and prop.get("name") in edit.properties:
                    parent = prop.getparent()
                    assert parent is not None
                    parent.remove(prop)
    return shape(root)


def shape(root: etree._Element) -> bytes:
    """A tree without order of siblings, white space, comments, and overrides that hold nothing."""

    def told(element: etree._Element) -> str:
        inner = sorted(filter(None, (told(child) for child in element.iterchildren("*"))))
        tag = etree.QName(element).localname
        if tag in ("override", "device", "frontend") and not inner:
            return ""
        return f"{tag}{sorted(map(str, element.items()))}({','.join(inner)})"

    return told(root).encode()


@given(documents(), EDITS)
def test_an_edit_does_what_was_asked_and_nothing_else(text: str, edit: Edit) -> None:
    after = edited(text, [edit])

    assert shape(read_domain(after)) == wanted_tree(text, edit)


@given(documents(), st.lists(EDITS, max_size=3))
def test_a_second_time_changes_nothing(text: str, edits: list[Edit]) -> None:
    once = edited(text, edits)

    assert edited(once, edits) == once
