"""What counts as a change of a domain's definition, and what is libvirt's own."""

from __future__ import annotations

import pytest
from lxml import etree

from provision.facts.domain_normal import kibibytes
from provision.host.plan.domain_drift import edits

CHOSEN = "<loader secure='yes' readonly='yes' type='pflash' format='raw'>/usr/share/OVMF/CODE.ms.fd</loader>"
LEFT = "<loader secure='yes'/>"


def domain(loader: str) -> str:
    return f"<domain><os firmware='efi'><type machine='q35'>hvm</type>{loader}</os></domain>"


def test_firmware_that_libvirt_was_left_to_choose_is_no_edit() -> None:
    """libvirt 9 names it when the domain starts, 11 when it is defined."""
    assert edits(domain(LEFT), domain(CHOSEN)) == ()


def running(loader: str) -> str:
    """As libvirt 9 tells of a domain that runs: the files, and no longer that it has chosen them."""
    return domain(loader).replace(" firmware='efi'", "").replace("<domain", "<domain id='1'")


@pytest.mark.parametrize("loader", [LEFT, "<loader secure='no'/>"])
def test_firmware_that_libvirt_has_chosen_for_a_domain_that_runs_is_an_edit_only_where_it_is_another_kind(
    loader: str,
) -> None:
    secure, plain = CHOSEN, CHOSEN.replace("secure='yes' ", "")
    same, other = (secure, plain) if loader is LEFT else (plain, secure)

    assert edits(domain(loader), running(same)) == ()
    assert edits(domain(loader), running(other))
    assert edits(domain(loader), running(same).replace(" id='1'", "")), "in its definition somebody named it"


@pytest.mark.parametrize("there", [CHOSEN.replace("CODE", "MINE"), LEFT])
def test_firmware_that_was_named_and_is_another_is_an_edit(there: str) -> None:
    named, other = (domain(loader).replace(" firmware='efi'", "") for loader in (CHOSEN, there))

    assert edits(named, other)


BEFORE = """<domain><os><type machine='q35'>hvm</type></os><devices><interface type='bridge'>
<mac address='52:54:00:12:34:56'/><source bridge='br0'/><model type='virtio'/><driver><guest tso4='on'/></driver>
<alias name='ua-net0'/></interface></devices></domain>"""
ARGUMENT = (
    "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-S'/></q:commandline>"
)
AT = "devices/interface[52:54:00:12:34:56]"


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("machine='q35'", "machine='pc-q35-7.2'", ()),
        ("<alias", "<address type='pci' slot='3'/><target dev='vnet3'/><backend/><alias", ()),
        ("</devices>", "<controller type='usb'/><video/></devices>", ()),
        ("tso4='on'", "tso4='off'", (f"- {AT}/offloads@guest_tso4: off", f"+ {AT}/offloads@guest_tso4: on")),
        ("bridge='br0'", "bridge='br1'", (f"- {AT}/source: bridge br1", f"+ {AT}/source: bridge br0")),
        ("<alias", "<link state='down'/><alias", (f"- {AT}/link: state=down",)),
        ("</devices>", "<hostdev mode='subsystem' type='pci'/></devices>",
         ("- devices/hostdev: mode=subsystem type=pci",)),
        ("</domain>", f"{ARGUMENT}</domain>", ("- qemu:commandline: qemu:arg@value=-S",)),
    ],
)  # fmt: skip
def test_what_somebody_changed_is_told_and_what_libvirt_added_is_not(
    old: str, new: str, lines: tuple[str, ...]
) -> None:
    assert edits(BEFORE, BEFORE.replace(old, new)) == lines


def test_a_nic_that_has_gone_and_one_that_was_added_are_told() -> None:
    gone = BEFORE[: BEFORE.index("<interface")] + "</devices></domain>"

    assert [line[:2] for line in edits(BEFORE, gone)] == ["+ "]
    assert [line[:2] for line in edits(gone, BEFORE)] == ["- "]


def test_a_firmware_that_is_not_named_is_the_bios() -> None:
    plain = "<domain><os><type machine='q35'>hvm</type></os></domain>"

    assert edits(plain, plain.replace("<os>", "<os firmware='bios'>")) == ()
    assert edits(plain, domain(LEFT))[-1] == "+ firmware: bios"


@pytest.mark.parametrize(
    ("size", "kib"),
    [
        ("<memory>1024</memory>", 1024),
        ("<memory unit='b'>1048576</memory>", 1024),
        ("<memory unit='bytes'>1048577</memory>", 1025),
        ("<memory unit='KB'>1024</memory>", 1000),
        ("<memory unit='k'>7</memory>", 7),
        ("<memory unit='MiB'>2</memory>", 2048),
        ("<memory unit='MB'>128</memory>", 125000),
        ("<memory unit='G'>1</memory>", 2**20),
        ("<memory unit='GB'>1</memory>", 976563),
        ("<memory unit='TiB'>1</memory>", 2**30),
        ("<memory unit='TB'>1</memory>", 976562500),
        ("<memory unit='furlong'>1</memory>", None),
        ("<memory>1e9</memory>", None),
        ("<memory>0</memory>", None),
    ],
)
def test_a_size_is_read_in_each_of_libvirts_units(size: str, kib: int | None) -> None:
    """As libvirt's virScaleInteger reads them, rounded up to KiB as libvirt does."""
    assert kibibytes(etree.fromstring(size)) == kib


OTHER = BEFORE[BEFORE.index("<interface") : BEFORE.index("</devices>")].replace("34:56", "34:57")
DISK = "<disk type='file' device='disk'><source file='/d.img'/><target dev='vda' bus='virtio'/></disk>"


def test_devices_are_known_by_what_is_theirs_and_not_by_their_order() -> None:
    both, turned = (
        BEFORE.replace("<devices>", f"<devices>{OTHER}"),
        BEFORE.replace("</devices>", f"{OTHER}</devices>"),
    )

    assert edits(both, turned) == ()
    assert [line.partition(": ")[0] for line in edits(both, BEFORE)] == [f"+ {AT.replace('34:56', '34:57')}"]


def test_a_disk_that_was_added_is_told_and_what_libvirt_says_of_one_is_not() -> None:
    with_disk = BEFORE.replace("</devices>", f"{DISK}</devices>")
    spelled_out = with_disk.replace("<source file", "<driver name='qemu' cache='none'/><source file")

    assert [line.partition(": ")[0] for line in edits(BEFORE, with_disk)] == ["- devices/disk[vda]"]
    assert edits(with_disk, spelled_out) == ()


def test_another_machine_type_is_an_edit_and_its_alias_spelled_out_is_none() -> None:
    assert edits(BEFORE, BEFORE.replace("'q35'", "'pc-i440fx-7.2'")) == (
        "- os/type@machine: pc-i440fx-7.2",
        "+ os/type@machine: q35",
    )
    assert edits(BEFORE, BEFORE.replace("type='virtio'", "type='pc-virtio-net'"))


def test_secure_boot_that_was_switched_off_is_told() -> None:
    named = domain(CHOSEN).replace(" firmware='efi'", "")

    assert edits(named, named.replace("secure='yes'", "secure='no'")) == (
        "- firmware: files /usr/share/OVMF/CODE.ms.fd",
        "+ firmware: files /usr/share/OVMF/CODE.ms.fd, secure boot",
    )
