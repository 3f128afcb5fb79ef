"""What counts as a change of a domain's definition, and what is libvirt's own."""

from __future__ import annotations

import pytest

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
