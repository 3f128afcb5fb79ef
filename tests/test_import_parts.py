"""What of a domain is carried over into a lab file, part by part, and what is not and is said."""

from __future__ import annotations

import pytest

from provision.runtime.places import Target
from provision.verbs.importer.import_domain import import_domain
from tests.builders import lab_of
from tests.domains import DISK, HERE, NIC, SMALL, domain_of, nic, rendered, small


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("<model type='virtio'/>", {}),
        ("<model type='e1000e'/>", {"model": "e1000e"}),
        ("<model type='virtio'/><driver name='vhost' queues='4' rx_queue_size='512'/>", {"vhost": "true", "queues": 4, "rx_queue_size": 512}),
        ("<model type='virtio'/><driver name='qemu'/><mtu size='9000'/>", {"vhost": "false", "mtu": 9000}),
        ("<model type='virtio'/><driver><guest csum='off' tso4='off' tso6='off'/></driver>", {"rsc": "false"}),
        ("<model type='virtio'/><driver><guest tso4='off' tso6='off'/></driver>", {"rsc": "false", "offloads": {"guest_csum": True}}),
        ("<model type='virtio'/><driver><guest tso6='off' ecn='off'/></driver>", {"offloads": {"guest_tso6": False, "guest_ecn": False}}),
        ("<model type='virtio'/><driver><guest csum='off'/></driver>", {"rsc": "false"}),
        ("<model type='virtio'/><driver><host csum='off'/></driver>", {"offloads": {"csum": False}}),
    ],
)  # fmt: skip
def test_a_nic_says_no_more_than_it_must(more: str, said: dict[str, object]) -> None:
    assert nic(more)[0] == said


OVERRIDE = """<qemu:override xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:device alias='ALIAS'>
<qemu:frontend>PROPERTIES</qemu:frontend></qemu:device></qemu:override></domain>"""
RSC_EXT = "<qemu:property name='guest_rsc_ext' type='bool' value='true'/>"


def overridden(more: str, properties: str, alias: str = "ua-t") -> tuple[dict[str, object], dict[str, str]]:
    xml = OVERRIDE.replace("ALIAS", alias).replace("PROPERTIES", properties)
    return nic(f"<model type='virtio'/>{more}<alias name='ua-t'/>", **{"</domain>": xml})


def test_an_engine_that_is_switched_on_by_an_override_becomes_rsc_hck() -> None:
    said, reasons = overridden("<driver name='qemu'/>", RSC_EXT)

    assert said == {"rsc": "hck", "rsc_interval": 300000}  # QEMU's own, which is not ours
    assert reasons == {}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("<driver name='vhost'/>", "needs vhost off"),
        ("<driver queues='2'/>", "one queue"),
        ("<driver><guest tso4='off' tso6='off'/></driver>", ""),
    ],
)
def test_an_engine_that_cannot_run_is_left_out_and_said(more: str, words: str) -> None:
    said, reasons = overridden(more, RSC_EXT)

    assert "hck" not in str(said)
    assert words in reasons.get("/offloads@guest_rsc_ext", "")


def test_an_override_that_finds_no_device_does_not_count_for_the_nic() -> None:
    imported = small(NIC.replace("MORE", "<model type='virtio'/>"), **{"</domain>": OVERRIDE.replace("ALIAS", "net0").replace("PROPERTIES", RSC_EXT)})  # fmt: skip

    assert "hck" not in imported.text.partition("# What")[0]
    assert [note.why for note in imported.notes if note.path == "qemu:override[net0]"] == [
        "libvirt finds no device by an alias that is not ua- with letters, digits, - and _: it does nothing"
    ]


def test_an_override_is_stronger_than_an_attribute() -> None:
    off = "<qemu:property name='guest_tso4' type='bool' value='false'/>"

    assert overridden("<driver><guest tso4='on'/></driver>", off)[0] == {"offloads": {"guest_tso4": False}}


@pytest.mark.parametrize(
    ("form", "path", "words"),
    [
        ("luks", "/srv/disk.img", "no disks of format luks"),
        ("raw", "disk.img", "not an absolute path"),
        ("raw", "/srv/${HOME}.img", "from the environment"),
        ("raw", "/srv/a&#x85;b.img", "must not have control characters"),
    ],
)
def test_a_disk_that_a_lab_file_cannot_have_is_left_out_and_said(form: str, path: str, words: str) -> None:
    imported = small(DISK.replace("FORM", form).replace("PATH", path).replace("BUS", "virtio"))

    assert lab_of(imported.text).machines["vm"].disks == ()
    note = next(note for note in imported.notes if note.path == "devices/disk[vda]")
    assert words in note.why
    assert note.now is None


@pytest.mark.parametrize("kept", ["<readonly/>", "<transient/>"])
def test_a_disk_that_must_not_be_written_to_stays_under_an_overlay(kept: str) -> None:
    imported = small(DISK.replace("FORM", "raw").replace("PATH", "/srv/a.img").replace("BUS", "virtio").replace("</disk>", f"{kept}</disk>"))  # fmt: skip

    assert [(d.image, d.overlay) for d in lab_of(imported.text).machines["vm"].disks] == [
        ("/srv/a.img", True)
    ]


def test_a_disk_is_used_as_it_is_and_the_file_says_so() -> None:
    imported = small(DISK.replace("FORM", "raw").replace("PATH", "/srv/a.img").replace("BUS", "virtio"))

    assert [(d.image, d.overlay) for d in lab_of(imported.text).machines["vm"].disks] == [("/srv/a.img", False)]  # fmt: skip
    assert "shut it down for good before `up`" in imported.text


CPU = "<cpu mode='host-passthrough'><topology sockets='1' cores='2' threads='1'/>{}</cpu></domain>"


@pytest.mark.parametrize("policy", ["require", "force"])
@pytest.mark.parametrize("feature", ["vmx", "svm"])
def test_a_domain_that_asks_for_what_a_hypervisor_needs_is_nested_and_keeps_it(
    feature: str, policy: str
) -> None:
    imported = small(**{"</domain>": CPU.format(f"<feature policy='{policy}' name='{feature}'/>")})

    assert lab_of(imported.text).machines["vm"].nested
    assert [note.path for note in imported.notes if "cpu" in note.path and policy == "require"] == []


@pytest.mark.parametrize(
    ("more", "nested"),
    [
        ("<features><hyperv mode='custom'><evmcs state='on'/></hyperv></features></domain>", True),
        ("<features><hyperv mode='custom'><evmcs state='off'/></hyperv></features></domain>", False),
        (CPU.format("<feature policy='disable' name='vmx'/>"), False),
        (CPU.format("<feature policy='require' name='x2apic'/>"), False),
        ("</domain>", False),
    ],
)
def test_a_domain_is_nested_only_where_it_says_so(more: str, *, nested: bool) -> None:
    assert lab_of(small(**{"</domain>": more}).text).machines["vm"].nested is nested


def test_our_own_domain_stays_nested_also_where_its_host_could_not_be_asked() -> None:
    imported = small(**{"</domain>": CPU.format("<feature policy='require' name='vmx'/>")})
    again = import_domain(domain_of(rendered(imported)), HERE)

    assert lab_of(again.text).machines["vm"].nested
    assert again.notes == ()


@pytest.mark.parametrize(
    ("more", "guest", "words"),
    [
        ("<features><hyperv/></features>", "windows", "a guess: it has Hyper-V"),
        ("<clock offset='localtime'/>", "windows", "a guess: its clock"),
        ("", "linux", "a guess: nothing speaks for Windows"),
    ],
)
def test_a_guess_at_the_guest_is_said_to_be_one(more: str, guest: str, words: str) -> None:
    imported = small(**{"<devices>": f"{more}<devices>"})

    assert f"guest: {guest} # {words}" in imported.text


@pytest.mark.parametrize(
    ("name", "machine"),
    [("good-name_1.x", "good-name_1.x"), ("a b (c)", "a-b-c"), ("é", "machine"), ("-x", "x"), ("x" * 70, "x" * 63)],
)  # fmt: skip
def test_a_name_is_brought_into_the_form_of_a_lab_file_and_that_is_said(name: str, machine: str) -> None:
    imported = small(**{"<name>vm</name>": f"<name>{name}</name>"})

    assert imported.machine == machine
    assert [note.was for note in imported.notes if note.path == "name"] == [name] * (name != machine)


@pytest.mark.parametrize(
    ("xml", "memory"),
    [
        ("<memory unit='GiB'>4</memory>", "4GiB"),
        ("<memory unit='MB'>4</memory>", "3907KiB"),
        ("<memory>2048</memory>", "2MiB"),
        ("<memory unit='b'>1</memory>", "1MiB"),
        ("<memory unit='TiB'>999</memory>", "65535GiB"),
    ],
)
def test_memory_is_read_in_every_unit_and_kept_within_what_a_lab_file_takes(xml: str, memory: str) -> None:
    imported = small(**{"<memory unit='KiB'>1048576</memory>": xml})

    assert f"memory: {memory}" in imported.text


FIRMWARE = {
    "<os>": "bios",
    "<os firmware='efi'><firmware><feature enabled='yes' name='secure-boot'/></firmware>": "uefi-secure-boot",
    "<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware>": "uefi",
    "<os><loader type='pflash'>/f/CODE.fd</loader><nvram template='/f/VARS.fd'>/v.fd</nvram>": "/f/CODE.fd /f/VARS.fd",
    "<os><loader type='pflash'>/f/CODE.fd</loader><nvram>/v.fd</nvram>": "/f/CODE.fd /v.fd",
    "<os><loader type='rom'>/f/OVMF.fd</loader>": "uefi",
    "<os><loader type='rom'>/f/bios.bin</loader>": "bios",
}


@pytest.mark.parametrize("start", FIRMWARE)
def test_firmware_is_carried_over_by_name_or_by_its_files(start: str) -> None:
    firmware = lab_of(small(**{"<os>": start}).text).machines["vm"].boots_with

    assert (firmware if isinstance(firmware, str) else f"{firmware.code} {firmware.vars}") == FIRMWARE[start]


def test_a_remote_host_is_declared_and_named() -> None:
    target = Target("hv1.example", address="hv1.example", user="root", port=2222)

    lab = lab_of(import_domain(domain_of(SMALL), target).text)

    assert lab.machines["vm"].host == "hv1.example"
    assert (lab.hosts["hv1.example"].user, lab.hosts["hv1.example"].port) == ("root", 2222)


@pytest.mark.parametrize("name", ["vmx", "svm", "topoext"])
def test_what_a_domain_asks_of_its_processor_outright_is_kept(name: str) -> None:
    topology = "<topology sockets='1' cores='1' threads='2'/>" if name == "topoext" else ""
    cpu = f"<cpu mode='host-passthrough'>{topology}<feature policy='require' name='{name}'/></cpu>"
    imported = small(**{"<vcpu>2</vcpu>": f"<vcpu>2</vcpu>{cpu}"})

    machine = lab_of(imported.text).machines["vm"]
    assert (machine.nested, machine.topology.threads) == (not topology, 2 if topology else 1)
    assert not [note for note in imported.notes if note.path.startswith("cpu/feature")]


CPUS = {
    "<vcpu>8</vcpu><cpu><topology sockets='2' cores='2' threads='2'/></cpu>": ((2, 2, 2), ""),
    "<vcpu>8</vcpu><cpu><topology sockets='1' dies='1' cores='8' threads='1'/></cpu>": ((1, 8, 1), ""),
    "<vcpu>8</vcpu><cpu><topology sockets='1' dies='2' cores='4' threads='1'/></cpu>": ((1, 8, 1), "no dies"),
    "<vcpu current='4'>8</vcpu><cpu><topology sockets='2' cores='4' threads='1'/></cpu>": (
        (1, 4, 1),
        "the topology is for 8 vCPUs and the machine starts with 4",
    ),
    "<vcpu>8</vcpu><cpu mode='host-passthrough'/>": (
        (1, 8, 1),
        "libvirt makes a socket of each where nothing is said",
    ),
}


@pytest.mark.parametrize("xml", CPUS)
def test_how_processors_are_laid_out_is_kept(xml: str) -> None:
    topology, words = CPUS[xml]
    imported = small(**{"<vcpu>2</vcpu>": xml})

    assert lab_of(imported.text).machines["vm"].topology == topology
    whys = [note.why for note in imported.notes if note.path.startswith("cpu/topology")]
    assert bool(whys) == bool(words)
    assert all(words in why for why in whys)
