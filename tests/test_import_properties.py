"""Whatever a domain holds, its lab file is read without a fault; and what we render comes back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from provision.lab.yaml_reader import read_yaml
from provision.render.machine import domain_xml
from provision.render.view import Choices, machine_view, usual_choices
from provision.runtime.places import Target
from provision.runtime.protocols import Domain
from provision.verbs.importer.import_domain import import_domain
from provision.verbs.importer.lab_text import scalar
from tests.builders import lab_of
from tests.strategies import bounded, hostile, lab_files, loaded

HERE = Target("local")

# All that XML can hold, with what YAML, our loader, a shell or a terminal could trip over.
anything = hostile | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=12
) | st.sampled_from([
    "", "${HOME}", "${", "a\nb", "\t", "\x85", "\u2028", "\ufeff", "<<", "null", "true", "0x1f", "1e5", "-", "? x", "# c", "*a", "&a",
    "!t", "|", ">", "%YAML", "@", "[", "{", "'", '"', "\\", ": ", " #", "---", "...", "~", "/", "..", "/srv/a.qcow2", "x" * 300,
])  # fmt: skip
number = st.sampled_from(["0", "1", "2", "256", "512", "1024", "9000", "70000", "-1", "99999999999", "x", ""])
_KINDS = ["bridge", "network", "ethernet", "direct", "user", "hostdev", "vhostuser", "vdpa", "mcast", "x"]
_MODELS = ["virtio", "virtio", "virtio", "e1000e", "e1000", "virtio-transitional", "x"]
_MACS = [
    "52:54:00:00:00:01",
    "52:54:00:00:00:02",
    "01:00:5e:00:00:01",
    "00:00:00:00:00:00",
    "52:54:00:AB:CD:EF",
]
_SWITCH = st.sampled_from(["on", "off"])


def element(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(
        parent, tag, {key: value for key, value in attributes.items() if value != "-none-"}
    )


def a_nic(draw: Any, devices: etree._Element) -> None:
    nic = element(devices, "interface", type=draw(st.sampled_from(_KINDS)))
    element(nic, "mac", address=draw(st.sampled_from(_MACS) | anything))
    names = st.sampled_from(["br0", "eno1", "lab-0", "vnet7"]) | anything
    element(nic, "source", bridge=draw(names), network=draw(anything), dev=draw(names), mode=draw(anything))
    element(nic, "target", dev=draw(names))
    element(nic, "model", type=draw(st.sampled_from(_MODELS)))
    driver = element(nic, "driver", name=draw(st.sampled_from(["vhost", "qemu", "-none-"])), queues=draw(number), rx_queue_size=draw(number))  # fmt: skip
    for end, keys in (
        ("host", ("csum", "tso4", "ufo", "mrg_rxbuf")),
        ("guest", ("csum", "tso4", "tso6", "ecn")),
    ):
        element(driver, end, **{key: draw(_SWITCH) for key in keys if draw(st.booleans())})
    element(nic, "mtu", size=draw(number))
    element(nic, "virtualport", type=draw(st.sampled_from(["openvswitch", "802.1Qbh", "-none-"])))
    vlan = element(nic, "vlan", trunk=draw(_SWITCH))
    for _ in range(draw(st.integers(0, 2))):
        element(vlan, "tag", id=draw(number), nativeMode=draw(st.sampled_from(["-none-", "tagged"])))
    element(nic, "alias", name=draw(st.sampled_from(["ua-a", "ua-net1", "ua-b", "net0"]) | anything))


def a_disk(draw: Any, devices: etree._Element) -> None:
    disk = element(devices, "disk", type=draw(st.sampled_from(["file", "file", "block", "network"])), device=draw(st.sampled_from(["disk", "disk", "cdrom", "lun"])))  # fmt: skip
    element(disk, "driver", type=draw(st.sampled_from(["raw", "qcow2", "-none-"])), cache=draw(anything))
    path = st.builds("/srv/{}{}".format, anything, st.sampled_from(["", ".qcow2", ".iso"])) | anything
    element(disk, "source", file=draw(path))
    element(
        disk, "target", dev=draw(anything), bus=draw(st.sampled_from(["virtio", "sata", "scsi", "ide", "x"]))
    )
    for tag in ("readonly", "shareable", "transient"):
        if not draw(st.integers(0, 5)):
            element(disk, tag)


QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_PROPERTIES = [
    "guest_rsc_ext",
    "guest_csum",
    "ctrl_vq",
    "ctrl_guest_offloads",
    "guest_uso4",
    "host_uso",
    "rsc_interval",
    "x-y",
]


@st.composite
def domains(draw: Any) -> str:
    root = etree.Element("domain", {"type": draw(st.sampled_from(["kvm", "qemu", "xen"]))})
    for tag in ("name", "title", "description", "genid"):
        element(root, tag).text = draw(anything)
    element(root, "memory", unit=draw(st.sampled_from(["KiB", "GiB", "MB", "x"]))).text = draw(
        number | anything
    )
    element(root, "vcpu", current=draw(number)).text = draw(number)
    firmware = draw(st.sampled_from(["efi", "bios", "-none-"]))
    system = element(root, "os", firmware=firmware)
    element(
        system, "type", machine=draw(st.sampled_from(["q35", "pc", "pc-q35-7.2"]) | anything)
    ).text = "hvm"
    for tag in ("loader", "nvram", "kernel", "initrd", "cmdline"):
        if draw(st.booleans()):
            attributes = {"secure": draw(st.sampled_from(["yes", "no"]))} if tag == "loader" else {}
            element(system, tag, **attributes).text = draw(anything | st.builds("/boot/{}".format, anything))
    element(
        element(root, "metadata"), "{urn:rscvm:domain:1}machine", guest=draw(anything), purpose=draw(anything)
    )
    devices = element(root, "devices")
    for _ in range(draw(st.integers(0, 4))):
        a_nic(draw, devices)
    for _ in range(draw(st.integers(0, 3))):
        a_disk(draw, devices)
    element(devices, draw(st.sampled_from(["sound", "hostdev", "rng"])), model=draw(anything)).text = draw(
        anything
    )
    override = element(root, f"{QEMU}override")
    for alias in ("ua-a", "ua-b", "net0"):
        frontend = element(element(override, f"{QEMU}device", alias=alias), f"{QEMU}frontend")
        for name in draw(st.lists(st.sampled_from(_PROPERTIES), max_size=3)):
            element(
                frontend,
                f"{QEMU}property",
                name=name,
                value=draw(st.sampled_from(["true", "false", "9", "x"])),
            )
    return etree.tostring(root, encoding="unicode")


@given(domains(), domains(), st.sampled_from(["off", "running"]))
@bounded(60)
def test_every_domain_becomes_a_lab_file_without_a_fault(xml: str, live: str, state: str) -> None:
    name = etree.fromstring(xml).findtext("name", "")

    imported = import_domain(Domain(name, state, live, xml), HERE)

    machine = lab_of(imported.text).machines[imported.machine]
    assert all(not disk.overlay or "overlay takes the writes" in imported.text for disk in machine.disks)
    assert all(line.isprintable() for line in imported.text.split("\n"))
    again = import_domain(Domain(imported.machine, "off", "", domain_xml(machine_view(lab_of(imported.text), imported.machine))), HERE)  # fmt: skip
    assert again.notes == ()


@given(anything.filter(lambda text: "${" not in text))
@bounded(120)
def test_every_text_is_read_back_from_yaml_as_it_was(text: str) -> None:
    data, _, faults = read_yaml(f"{{a: {scalar(text)}, {scalar('k' + text)}: b}}", {})

    assert (data, faults) == ({"a": text, f"k{text}": "b"}, [])


@given(lab_files(most_labs=0))
@bounded(25)
def test_what_we_render_comes_back_without_a_note(data: dict[str, Any]) -> None:
    """On the host that it is of: paths on `local` are brought to their shortest form, on others they are kept."""
    lab = loaded(data)
    domains_of_libvirt = {n: m for n, m in lab.machines.items() if m.backend == "libvirt"}
    for name, machine in domains_of_libvirt.items():
        usual = usual_choices(machine)
        xml = domain_xml(machine_view(lab, name, Choices(kvm=usual.kvm, vhost=usual.vhost)))

        target = HERE if machine.host == "local" else Target("hv1", address="hv1.example.org")

        assert import_domain(Domain(name, "off", xml, xml), target).notes == ()
