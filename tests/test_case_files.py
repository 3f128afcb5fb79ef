"""Cases of public threads: what becomes of a domain that is imported, and of a lab file that is written as elsewhere."""

from __future__ import annotations

import pytest

from provision.facts.domain_compare import changed_by_hand
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import machine_view
from provision.runtime.errors import LabFileError
from provision.verbs.importer.import_domain import import_domain
from tests.builders import lab_of
from tests.cases import CASES
from tests.domains import HERE, domain_of


def imported(case: str) -> tuple[dict[str, object], dict[str, str]]:
    """What a lab file says of the machine, and of what it says nothing or something else, with the reason."""
    found = import_domain(domain_of((CASES / f"{case}.xml").read_text()), HERE)
    spec = lab_of(found.text).machines[found.machine]
    return spec.model_dump(exclude_defaults=True), {note.path: note.why for note in found.notes}


@pytest.mark.parametrize(
    ("case", "disks", "nics", "listed"),
    [
        (
            "import/unraid-win11",
            ["/mnt/user/domains/Windows 11/vdisk1.img"],
            ["br0"],
            {"name", "devices/interface[52:54:00:00:a1:01]/model@type", "cputune", "devices/disk[hdc]/driver"},
        ),
        (
            "import/1131-win10",
            ["/dev/zvol/tank/win10"],
            ["eno1", "br0"],
            {"memoryBacking", "devices/interface[52:54:00:00:a2:02]/driver@txmode"},
        ),
        (
            "import/nova-ovs",
            [],
            ["br-int"],
            {"devices/disk[vda]", "devices/interface[fa:16:3e:00:a3:01]/virtualport/parameters", "cpu/model", "sysinfo"},
        ),
        ("import/381-vhostuser", ["/srv/w.qcow2"], [], {"devices/interface[52:54:00:00:a4:01]", "memoryBacking"}),
        ("xml/ovirt", [], ["ovirtmgmt"], {"devices/interface[00:1a:4a:00:03:01]/alias"}),
        ("xml/qemu-commandline", [], [], {"qemu:commandline"}),
    ],
)  # fmt: skip
def test_what_a_lab_file_can_say_of_a_domain_is_kept_and_all_else_is_listed(
    case: str, disks: list[str], nics: list[str], listed: set[str]
) -> None:
    machine, notes = imported(case)
    rows = [*_rows(machine, "nics"), *_rows(machine, "disks")]

    assert [row.get("image") or row["block"] for row in rows if row.keys() & {"image", "block"}] == disks
    assert [row.get("bridge") or row.get("macvtap") for row in rows if "mac" in row] == nics
    assert listed <= notes.keys()
    assert all(notes[path] for path in listed)


def _rows(machine: dict[str, object], key: str) -> list[dict[str, object]]:
    rows = machine.get(key, [])
    assert isinstance(rows, list | tuple)
    return [*rows]


def test_a_nic_whose_alias_is_no_name_of_a_lab_file_is_listed_with_the_one_that_it_gets() -> None:
    found = import_domain(domain_of((CASES / "xml" / "ovirt.xml").read_text()), HERE)
    [note] = [note for note in found.notes if note.path.endswith("/alias")]

    assert (note.was, note.now) == ("ua-03000000-0000-4000-8000-000000000001", "ua-net0")
    assert "1 to 32" in note.why


LAB = """\
version: 1
machines:
  vm:
    guest: windows
    memory: 8GiB
    vcpus: 8
    accel: tcg
    disks: [{image: /srv/images/w.qcow2}]
"""


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        ("nics: [{bridge: vmbr0, tag: 20, firewall: true, queues: 8}]", ["9:28", "9:37"]),
        ("nics: [{bridge: br-int, virtualport: openvswitch}]", ["9:29"]),
        ("nics: [{network: default}]", []),
        ("nics: [{network: default, portgroup: lab}]", ["9:31"]),
        ("nics: [{vhostuser: /var/run/openvswitch/vhu0}]", ["9:12", "9:13"]),
        ("hugepages: true", ["9:5"]),
        ("nics: [{bridge: br0, queues: 300}]", ["9:34"]),
        ("nics: [{bridge: br0, rx_queue_size: 2048, tx_queue_size: 1024}]", ["9:41", "9:47"]),
        ("nics: [{bridge: br0, offloads: {tso4: off, host_uso: off, guest_uso4: off, guest_uso6: off}}]", ["9:37"]),
        ("nics: [{bridge: br0, model: e1000}]", ["9:33"]),
        ("nics: [{bridge: br0, ifname: vnet3}]", ["9:34"]),
        ("nics: [{bridge: br0, queues: 12}]", []),
        ("nics: [{bridge: br0, offloads: {guest_uso4: off, guest_uso6: off, host_uso: off}}]", []),
        ("nics: [{bridge: br0, rsc: false, offloads: {csum: off, guest_csum: off, guest_tso4: off, guest_tso6: off}}]", []),
        ("nics: [{bridge: vmbr0, ifname: tap104i0, mac: BC:24:11:00:00:04}]", []),
        ("nics: [{bridge: br0, mtu: 9000}, {bridge: br0, model: e1000e, rsc: false}]", []),
    ],
)  # fmt: skip
def test_a_lab_file_is_taken_or_refused_at_its_place(lines: str, faults: list[str]) -> None:
    try:
        lab_of(f"{LAB}    {lines}\n")
        found = []
    except LabFileError as error:
        found = [f"{fault.line}:{fault.column}" for fault in error.faults]

    assert found == faults


def test_the_processors_of_a_windows_client_are_in_one_socket() -> None:
    """Windows 10 and 11 use one socket (Home) or two (Pro), and libvirt makes one of each vCPU where nothing is said."""
    view = machine_view(lab_of(f"{LAB}    nics: [{{bridge: br0, queues: 4}}]\n"), "vm")
    argv = qemu_argv(view)

    assert '<topology sockets="1" cores="8" threads="1"/>' in domain_xml(view)
    assert argv[argv.index("-smp") + 1] == "8,sockets=1,cores=8,threads=1"


def test_libvirts_words_for_a_topology_are_no_edit_and_another_topology_is() -> None:
    defined = domain_xml(machine_view(lab_of(f"{LAB}    nics: [{{bridge: br0}}]\n"), "vm"))
    libvirts = defined.replace('sockets="1" cores', 'sockets="1" dies="1" clusters="1" cores')
    edited = defined.replace('cores="8" threads="1"', 'cores="4" threads="2"')

    assert changed_by_hand(defined, libvirts) == ()
    assert len(changed_by_hand(defined, edited)) == 2
