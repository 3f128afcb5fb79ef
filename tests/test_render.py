"""XML, argv and script: golden files for what machines read, and what must hold for all of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable

import pytest
from lxml import etree

from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import Choices, machine_view
from provision.runtime.errors import RequestError
from provision.tables.enlightenments import ENLIGHTENMENTS
from provision.tables.offloads import HCK, OFFLOADS
from provision.verbs.script import machine_script as script
from tests.builders import lab_of, one_vm
from tests.labs import THREE_VMS

Golden = Callable[[str, str], None]


def devices(argv: tuple[str, ...]) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == "-device"]


def nic_of(argv: tuple[str, ...]) -> str:
    return next(words for words in devices(argv) if words.startswith("virtio-net-pci"))


@pytest.mark.parametrize("name", ["windows", "windows-argv", "dut"])
def test_domain_xml_is_as_it_was(name: str, golden: Golden) -> None:
    golden(f"{name}.xml", domain_xml(machine_view(lab_of(THREE_VMS), name)))


@pytest.mark.parametrize("name", ["windows-argv", "dut"])
def test_argv_is_as_it_was(name: str, golden: Golden) -> None:
    golden(f"{name}.argv.json", json.dumps(qemu_argv(machine_view(lab_of(THREE_VMS), name)), indent=1) + "\n")


@pytest.mark.parametrize("name", ["windows-argv", "dut"])
def test_script_is_as_it_was(name: str, golden: Golden) -> None:
    golden(f"{name}.sh", script(lab_of(THREE_VMS), name))


@pytest.mark.parametrize("name", ["windows-argv", "dut"])
def test_script_is_clean_shell(name: str) -> None:
    text = script(lab_of(THREE_VMS), name)

    done = subprocess.run(
        ["shellcheck", "--severity=warning", "-"], input=text, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_a_scripts_command_lines_are_the_rendered_ones() -> None:
    lab = lab_of(THREE_VMS)
    text = script(lab, "dut")
    sets = [line.strip() for line in text.splitlines() if line.strip().startswith("set -- ")]

    for line, choices in zip(sets, ((True, True), (True, False), (False, False)), strict=True):
        view = machine_view(lab, "dut", Choices(kvm=choices[0], vhost=choices[1]))
        assert tuple(shlex.split(line)[2:]) == qemu_argv(view, foreground=True)


def test_hck_says_exactly_its_two_properties() -> None:
    hck, off, _ = [
        words for words in devices(qemu_argv(machine_view(lab_of(THREE_VMS), "dut"))) if "virtio-net" in words
    ]

    assert ",guest_rsc_ext=on,rsc_interval=1000000" in hck
    assert "rsc_ext" not in off


def test_hck_never_goes_with_vhost() -> None:
    argv = qemu_argv(machine_view(lab_of(THREE_VMS), "dut", Choices(kvm=True, vhost=True)))
    netdevs = [argv[i + 1] for i, word in enumerate(argv) if word == "-netdev"]

    assert "vhost=off" in netdevs[0]
    assert "vhost=on" in netdevs[1]
    root = etree.fromstring(domain_xml(machine_view(lab_of(THREE_VMS), "dut")).encode())
    assert [driver.get("name") for driver in root.iterfind("devices/interface/driver")][:1] == ["qemu"]


def test_every_switch_is_said_outright() -> None:
    argv = qemu_argv(machine_view(one_vm(), "vm"))
    said = dict(part.split("=", 1) for part in nic_of(argv).split(",")[1:])

    assert {row.name for row in OFFLOADS if row.everywhere and row.name != HCK} <= said.keys()
    assert "tx_queue_size" not in said


def test_every_libvirt_attribute_of_the_table_is_said() -> None:
    root = etree.fromstring(domain_xml(machine_view(one_vm("libvirt"), "vm")).encode())
    driver = root.find("devices/interface/driver")
    assert driver is not None

    said = {(str(child.tag), str(name)) for child in driver for name in child.attrib}

    assert said == {row.libvirt for row in OFFLOADS if row.libvirt}


def test_a_production_domain_is_not_tainted_by_an_override() -> None:
    assert "override" not in domain_xml(machine_view(one_vm("libvirt"), "vm"))


def test_what_libvirt_has_no_word_for_goes_through_the_override() -> None:
    text = domain_xml(machine_view(lab_of(THREE_VMS), "dut"))

    assert '<qemu:property name="host_uso" type="bool" value="false"/>' in text
    assert '<qemu:property name="ctrl_guest_offloads" type="bool" value="false"/>' in text
    assert '<qemu:property name="rsc_interval" type="unsigned" value="1000000"/>' in text


NEWER = sorted(row.name for row in OFFLOADS if not row.everywhere)


def test_what_newer_qemus_have_is_left_to_their_machine_types_unless_it_is_off_or_asked_for() -> None:
    """Both backends: libvirt says nothing of it, and an older machine type has it off."""
    known = Choices(kvm=False, vhost=False, properties=frozenset(row.name for row in OFFLOADS))
    asked = one_vm(**{"ifname: tap0": "ifname: tap0, offloads: {host_uso: on}"})

    assert not [name for name in NEWER if name in nic_of(qemu_argv(machine_view(one_vm(), "vm", known)))]
    assert "override" not in domain_xml(machine_view(one_vm("libvirt"), "vm", known))
    assert "host_uso=on" in nic_of(qemu_argv(machine_view(asked, "vm", known)))
    assert '"host_uso" type="bool" value="true"' in domain_xml(machine_view(asked, "vm", known))


@pytest.mark.parametrize("lacking", NEWER)
def test_every_offload_off_turns_off_all_that_this_qemu_has_on_both_backends(lacking: str) -> None:
    names = [row.name for row in OFFLOADS if row.name != HCK]
    keys = ", ".join(f"{name}: off" for name in ("csum", "gso", "guest_csum", "mrg_rxbuf", "ctrl_vq"))
    lab = one_vm(**{"ifname: tap0": f"ifname: tap0, rsc: false, offloads: {{{keys}}}"})
    known = Choices(kvm=False, vhost=False, properties=frozenset(names) - {lacking})

    view = machine_view(lab, "vm", known)
    argv, xml = nic_of(qemu_argv(view)).split(","), domain_xml(view)

    assert {word for word in argv if word.partition("=")[0] in names} == {
        f"{name}=off" for name in names if name != lacking
    }
    for name in NEWER:
        assert (f'<qemu:property name="{name}" type="bool" value="false"/>' in xml) is (name != lacking)


def test_rsc_false_leaves_nothing_behind_that_needs_it() -> None:
    known = frozenset(row.name for row in OFFLOADS)
    lab = one_vm(**{"ifname: tap0": "ifname: tap0, rsc: false"})
    nic = nic_of(qemu_argv(machine_view(lab, "vm", Choices(kvm=False, vhost=False, properties=known))))

    for name in (
        "guest_csum",
        "guest_tso4",
        "guest_tso6",
        "guest_ecn",
        "guest_ufo",
        "guest_uso4",
        "guest_uso6",
        "guest_tunnel",
        "guest_tunnel_csum",
    ):
        assert f",{name}=off" in nic


def test_hostile_values_stay_values() -> None:
    lab = lab_of(THREE_VMS)
    argv = qemu_argv(machine_view(lab, "windows-argv"))
    root = etree.fromstring(domain_xml(machine_view(lab, "dut")).encode())

    script_text = script(lab, "windows-argv")
    assert root.findtext("os/cmdline") == "console=ttyS0 a=<&>,$(x) 'y'"
    assert any("a,b<&'" in line for line in script_text.splitlines())
    assert not any(word.endswith("a,b<&'.qcow2") for word in argv), "a base image is only in the overlay"


def test_commas_are_doubled_where_qemu_splits() -> None:
    lab = one_vm(**{"lab: {address": "lab: {address", "version: 1": 'version: 1\nstate_dir: "/srv/a,b"'})

    argv = qemu_argv(machine_view(lab, "vm"))

    assert "socket,id=monitor,path=/srv/a,,b/lab/vm.qmp,server=on,wait=off" in argv
    assert "/srv/a,b/lab/vm.pid" in argv


def test_queues_come_with_their_vectors() -> None:
    lab = one_vm(**{"ifname: tap0": "ifname: tap0, queues: 4"})
    argv = qemu_argv(machine_view(lab, "vm"))

    assert ",mq=on,vectors=10" in nic_of(argv)
    assert any(word.endswith("vhost=on,queues=4") for word in argv)


def test_tcg_has_no_enlightenments_and_every_cpu_feature() -> None:
    view = machine_view(lab_of(THREE_VMS.replace("guest: linux", "guest: windows")), "dut")

    assert "<hyperv" not in domain_xml(view)
    assert '<cpu mode="maximum">' in domain_xml(view)
    assert qemu_argv(view)[qemu_argv(view).index("-cpu") + 1] == "max"


def test_of_a_host_that_nobody_asked_what_every_kvm_has_is_said() -> None:
    view = machine_view(lab_of(THREE_VMS), "windows-argv")
    root = etree.fromstring(domain_xml(view).encode())
    hyperv = root.find("features/hyperv")
    assert hyperv is not None

    assert [child.tag for child in hyperv] == [
        row.tag for row in ENLIGHTENMENTS if row.everywhere and row.tag and not row.within
    ]
    cpu = qemu_argv(view)[qemu_argv(view).index("-cpu") + 1]
    assert cpu.split(",") == ["host", *(row.flag for row in ENLIGHTENMENTS if row.everywhere)]


def test_what_only_libvirt_can_make_is_refused_as_argv() -> None:
    with pytest.raises(RequestError, match="macvtap"):
        qemu_argv(machine_view(lab_of(THREE_VMS), "windows"))


def test_the_same_lab_renders_the_same() -> None:
    assert domain_xml(machine_view(lab_of(THREE_VMS), "windows")) == domain_xml(
        machine_view(lab_of(THREE_VMS), "windows")
    )


def test_each_device_has_a_port_of_its_own_eight_to_a_slot() -> None:
    """Where a device is, Windows knows it by: no version moves one."""
    lab = one_vm(**{"nics: [": "nics: [" + "{user: true, rsc: false}, " * 8})

    ports = machine_view(lab, "vm").ports
    spare = [name for name in ports if name.startswith("port-spare")]

    assert list(ports.values())[:12] == [
        *(f"2.{function}" for function in range(8)),
        *(f"3.{function}" for function in range(4)),
    ]
    assert list(ports)[-8:] == spare == [f"port-spare{at}" for at in range(8)]
    assert len(ports) == len({*ports.values()}) == 9 + 2 + 8
