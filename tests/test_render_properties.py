"""What holds for every accepted lab file's texts: XML and command lines say what was meant, and no more."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from provision.facts.domain import parse_domain
from provision.lab.identity import spec_digest
from provision.lab.spec import Lab, Machine, Nic
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU
from provision.verbs.script import machine_script
from tests.options import HCK_FLAGS, CommandLine, command_line, read_command_line
from tests.strategies import bounded, lab_files, loaded, said

choices = st.builds(Choices, st.booleans(), st.booleans())


def meant(path: str, data: dict[str, Any]) -> str:
    """A path as it must come out: local ones start at the lab file, others are left alone."""
    return path if data["host"] != "local" else posixpath.normpath(posixpath.join("/srv/labs", path))


def meant_disks(data: dict[str, Any], lab: Lab, name: str) -> list[tuple[str, str]]:
    """Path and format of each disk and CD."""
    formats = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi", ".vhdx": "vhdx", ".qed": "qed"}
    disks = []
    for at, disk in enumerate(data.get("disks", [])):
        path = meant(disk.get("image") or disk["block"], data)
        own = (f"{lab.state_dir}/lab/{name}-{at}.qcow2", "qcow2")
        by_name = formats.get(posixpath.splitext(path)[1].lower(), "raw") if "image" in disk else "raw"
        overlaid = "image" in disk and disk.get("overlay", True) in (True, "on")
        disks.append(own if overlaid else (path, disk.get("format", by_name)))
    return disks + [(meant(path, data), "raw") for path in data.get("cdroms", [])]


def meant_kernel(data: dict[str, Any]) -> list[str]:
    """Kernel, initrd and command line, of those that there are."""
    kernel = data.get("kernel", {})
    paths = [meant(kernel[key], data) for key in ("image", "initrd") if key in kernel]
    return paths + ([kernel["cmdline"]] if kernel.get("cmdline") else [])


@given(lab_files(), choices)
@bounded(60)
def test_every_domain_reads_back_as_it_was_meant(data: dict[str, Any], chosen: Choices) -> None:
    lab = loaded(data)
    for name, machine in lab.machines.items():
        text = domain_xml(machine_view(lab, name, chosen))
        facts, root = parse_domain(text), etree.fromstring(text.encode())

        assert facts.name == name
        assert facts.mark is not None
        assert (facts.mark.lab, facts.mark.machine, facts.mark.purpose) == ("lab", name, machine.purpose)
        assert facts.mark.digest == spec_digest(machine)
        assert facts.mark.nics == tuple((nic.name, f"ua-{nic.name}", nic.profile) for nic in machine.nics)
        kinds = {
            "bridge": "bridge",
            "tap": "ethernet",
            "macvtap": "direct",
            "user": "user",
            "network": "network",
        }
        for nic, seen in zip(machine.nics, facts.nics, strict=True):
            assert (seen.kind, seen.model, seen.mac) == (kinds[nic.kind], nic.model, nic.mac)
            assert (seen.alias, seen.target) == (f"ua-{nic.name}", nic.ifname)
            assert seen.rsc_asked is (nic.profile == "hck")
        raw = said(data, name)
        kernel = (root.findtext(f"os/{key}") for key in ("kernel", "initrd", "cmdline"))
        assert [text for text in kernel if text is not None] == meant_kernel(raw)
        disks = [(disk.find("source"), disk.find("driver")) for disk in root.iterfind("devices/disk")]
        seen_disks = [
            (s.get("file") or s.get("dev"), d.get("type"))
            for s, d in disks
            if s is not None and d is not None
        ]
        assert seen_disks == meant_disks(raw, lab, name)


def meant_netdev(nic: Nic, chosen: Choices) -> dict[str, str]:
    """A NIC's netdev but for its id."""
    wanted = {"type": "user"}
    if nic.kind != "user":
        may = (
            nic.model == "virtio"
            and nic.profile != "hck"
            and (nic.vhost == "true" or (nic.vhost == "auto" and chosen.vhost))
        )
        wanted = {
            "type": "tap",
            "ifname": nic.ifname,
            "script": "no",
            "downscript": "no",
            "vhost": "on" if may else "off",
        }
        wanted |= {"queues": str(nic.queues)} if nic.queues > 1 else {}
    return wanted


def assert_nic(line: CommandLine, nic: Nic, chosen: Choices) -> None:
    """One NIC of a command line: its netdev and its device."""
    netdev, device = (
        dict(line.ids("-netdev")[f"host-{nic.name}"]),
        dict(line.ids("-device")[f"ua-{nic.name}"]),
    )
    virtio = nic.model == "virtio"
    assert (device.pop("driver"), device.pop("mac")) == ("virtio-net-pci" if virtio else nic.model, nic.mac)
    assert device.pop("netdev") == netdev.pop("id") == f"host-{nic.name}"
    assert device.pop("bus") == f"port-{device.pop('id')}"
    assert line.ids("-device")[f"port-ua-{nic.name}"]["driver"] == "pcie-root-port"
    assert netdev == meant_netdev(nic, chosen)
    more: dict[str, str] = {"mq": "on", "vectors": str(2 * nic.queues + 2)} if nic.queues > 1 else {}
    more |= {"rx_queue_size": str(nic.rx_queue_size)} if nic.rx_queue_size else {}
    more |= {"host_mtu": str(nic.mtu)} if nic.mtu and nic.model == "virtio" else {}
    if virtio:
        rsc = dict.fromkeys(("guest_csum", "guest_tso4", "guest_tso6"), nic.profile != "false") | dict(
            nic.offloads
        )
        more |= {name: "on" if on else "off" for name, on in rsc.items()}
    if nic.profile == "hck":
        more |= {"guest_rsc_ext": "on", "rsc_interval": str(nic.interval)}
    assert device.items() >= more.items()
    left = device.keys() - more.keys()
    assert not left & {"mq", "vectors", "rx_queue_size", "host_mtu", "tx_queue_size", *HCK_FLAGS}
    assert virtio or not left
    assert {device[name] for name in left} <= {"on", "off"}


def assert_machine(line: CommandLine, view: MachineView, data: dict[str, Any], lab: Lab) -> None:
    """Everything of a command line but its NICs."""
    assert (line.program, line.flags, line.plain["-uuid"]) == (
        QEMU,
        {"-nodefaults", "-no-user-config"},
        view.uuid,
    )
    assert line.lists["-name"][0]["guest"] == view.name
    assert line.lists["-accel"] == [{"accel": "kvm" if view.choices.kvm else "tcg"}]
    vcpus, laid = view.spec.vcpus, data.get("cpu", {})
    sockets, threads = laid.get("sockets", 1), laid.get("threads", 1)
    smp = {"cpus": vcpus, "sockets": sockets, "cores": vcpus // (sockets * threads), "threads": threads}
    assert line.lists["-m"] == [{"size": f"{view.spec.memory // 1024}k"}]
    assert line.lists["-smp"] == [{key: str(number) for key, number in smp.items()}]
    assert [line.plain[o] for o in ("-kernel", "-initrd", "-append") if o in line.plain] == meant_kernel(data)
    drives = [drive for drive in line.lists.get("-drive", []) if drive["if"] == "none"]
    assert [(drive["file"], drive["format"]) for drive in drives] == meant_disks(data, lab, view.name)
    devices = {device["drive"] for device in line.lists["-device"] if "drive" in device}
    assert devices == {drive["id"] for drive in drives}
    if isinstance(files := data.get("firmware"), dict):
        flash = [drive["file"] for drive in line.lists["-drive"] if drive["if"] == "pflash"]
        assert flash == [meant(files["code"], data), f"{lab.state_dir}/lab/{view.name}.vars.fd"]
    directory = f"{lab.state_dir}/lab"
    assert line.plain["-pidfile"] == f"{directory}/{view.name}.pid"
    assert line.ids("-chardev")["console"]["path"] == f"{directory}/{view.name}.log"
    sockets = {
        what: line.ids("-chardev")[id_]["path"] for what, id_ in (("qmp", "monitor"), ("agent", "agent"))
    }
    sockets |= {"vnc": line.lists["-vnc"][0]["vnc"].removeprefix("unix:")} if "-vnc" in line.lists else {}
    for what, path in sockets.items():
        whole = f"{directory}/{view.name}.{what}"
        assert path == whole or len(os.fsencode(whole)) > 107 >= len(os.fsencode(path)) - len(lab.state_dir)
    assert len(set(sockets.values())) == len(sockets)


@given(lab_files(), choices)
@bounded(60)
def test_every_command_line_is_taken_apart_into_what_was_meant(data: dict[str, Any], chosen: Choices) -> None:
    lab = loaded(data)
    for name, machine in lab.machines.items():
        view = machine_view(lab, name, chosen)
        if line := command_line(view):
            assert_machine(line, view, said(data, name), lab)
            assert len(line.lists.get("-netdev", [])) == len(machine.nics)
            for nic in machine.nics:
                assert_nic(line, nic, chosen)


def commands(script: str) -> list[CommandLine]:
    """The command lines that a script chooses from."""
    rows = re.findall(r"^    set -- (.*)$", script, re.MULTILINE)
    return [read_command_line([word for word in shlex.split(row) if word != "-pidfile"]) for row in rows]


def assert_hck_only_where_asked(lab: Lab, name: str, machine: Machine, chosen: Choices) -> None:
    view = machine_view(lab, name, chosen)
    hck = {nic.name for nic in machine.nics if nic.profile == "hck"}
    assert machine.purpose == "hck" or not hck
    xml = domain_xml(view)
    texts, lines = [xml], []
    if line := command_line(view):
        script = machine_script(lab, name)
        texts, lines = [xml, script, *qemu_argv(view)], [line, *commands(script)]
        assert len(lines) == 4
    for text in texts if not hck else ():
        assert not any(flag in text for flag in HCK_FLAGS)
    for line in lines:
        asked = {id_ for id_, device in line.ids("-device").items() if set(device) & set(HCK_FLAGS)}
        assert asked == {f"ua-{nic}" for nic in hck}
        assert {line.ids("-netdev")[f"host-{nic}"]["vhost"] for nic in hck} <= {"off"}
    for interface in etree.fromstring(xml.encode()).iterfind("devices/interface"):
        alias, driver = interface.find("alias"), interface.find("driver")
        assert alias is not None
        if str(alias.get("name")).removeprefix("ua-") in hck:
            assert driver is not None
            assert driver.get("name") == "qemu"


@given(lab_files(), choices)
@bounded(50)
def test_hck_flags_are_only_where_they_were_asked_for_and_vhost_is_not(data: Any, chosen: Choices) -> None:
    lab = loaded(data)
    for name, machine in lab.machines.items():
        assert_hck_only_where_asked(lab, name, machine, chosen)
