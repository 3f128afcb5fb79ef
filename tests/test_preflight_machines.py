"""What a host lacks is said by every verb that would need it, and what would mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.cli.apply import _done
from provision.facts.ip import Link
from provision.facts.qemu import Image
from provision.host.plan.settings import plan_apply
from provision.host.preflight.machines import refuse
from provision.host.read.capabilities import _images
from provision.host.state import Access, HostState
from provision.runtime.errors import HostError
from tests.builders import lab_of
from tests.hosts import EMPTY, allowed, capable, lacking, lacking_for_settings
from tests.nics import found as nic_found
from tests.nics import lab_with

FAR = """\
version: 1
hosts: {hv: {address: hv}}
machines:
  vm:
    {host: hv, backend: qemu, guest: linux, memory: 256MiB, kernel: {image: /srv/vmlinuz},
     nics: [{tap: true}]}
"""


def host(bridges: str) -> str:
    return f"version: 1\nhosts: {{hv: {{address: hv, bridges: {bridges}}}}}\n"


@pytest.mark.parametrize(
    ("bridges", "changes", "words"),
    [
        ("{nic0: {}}", {}, "hosts.hv.bridges.nic0: nic0 is there and is no bridge"),
        ("{br0: {}}", {"root": False}, "setting bridges and NICs needs root (CAP_NET_ADMIN)"),
        ("{br0: {}}", {"writable": False}, "/var/lib/rscvm/lab cannot be written"),
        ("{br0: {}}", {"programs": frozenset({"ethtool"})}, "ip is not installed (Debian: iproute2)"),
        ("{}", {"root": False, "writable": False}, ""),
    ],
)
def test_plan_and_up_refuse_what_apply_refuses(bridges: str, changes: dict[str, Any], words: str) -> None:
    lab = lab_of(host(bridges))
    links = {"nic0": Link("nic0", "veth", "", up=True, mtu=1500, master="")}
    there = allowed(replace(EMPTY, name="hv", links=links), **changes)

    assert lacking_for_settings(lab, there) == ((words,) if words else ())
    assert set(lacking_for_settings(lab, there)) <= set(lacking(lab, [], there))


def test_up_refuses_to_set_nics_without_root() -> None:
    lab = lab_with("{features: {generic-receive-offload: off}}")
    there = allowed(nic_found(lab), root=False, programs=frozenset({"ip", "ethtool"}))

    assert lacking(lab, [], there) == ("setting bridges and NICs needs root (CAP_NET_ADMIN)",)


@pytest.mark.parametrize(
    ("name", "root", "hint"), [("hv", False, True), ("hv", True, False), ("local", False, False)]
)
def test_who_lacks_root_on_another_host_is_told_how_to_be_it(name: str, *, root: bool, hint: bool) -> None:
    with pytest.raises(HostError) as caught:
        refuse(name, HostState(name, access=Access(root=root)), ["something"])

    assert bool(caught.value.hint) is hint
    assert not hint or "`user: root` or `sudo: true`" in caught.value.hint


def test_a_host_that_has_no_way_to_qemus_monitor_is_refused_before_anything_starts() -> None:
    lab = lab_of(FAR)
    there = replace(EMPTY, name="hv")
    [sentence] = [words for words in lacking(lab, ["vm"], there) if "monitor" in words]

    assert sentence.startswith("vm: QEMU's monitor is reached by one of python3, perl, socat, and none")
    assert not any(
        "monitor" in words
        for words in lacking(lab, ["vm"], allowed(there, programs=there.access.programs | {"perl"}))
    )


def test_a_host_that_differs_is_not_said_to_be_as_the_lab_file_has_it() -> None:
    lab = lab_of(host("{br0: {mtu: 1400}}"))
    theirs = Link("br0", "bridge", "theirs", up=True, mtu=1500, master="")

    plan = plan_apply(lab, "hv", replace(EMPTY, name="hv", links={"br0": theirs}))

    assert _done(plan) == (
        "nothing changed, but bridge br0 was there before us and is left alone; it has mtu 1500, not mtu 1400"
    )
    assert _done(replace(plan, notes=())) == "as the lab file has it; nothing changed"


BLOCK = (
    "version: 1\nmachines: {vm: {backend: qemu, guest: linux, memory: 1GiB, firmware: bios, disks: [DISK]}}\n"
)


@pytest.mark.parametrize(
    ("files", "blocks", "said"),
    [
        (set(), set(), ["vm: no block device at /dev/b"]),
        ({"/dev/b"}, set(), ["vm: /dev/b is no block device: say `image:`"]),
        ({"/dev/b"}, {"/dev/b"}, []),
    ],
)
def test_a_block_device_must_be_one(files: set[str], blocks: set[str], said: list[str]) -> None:
    lab = lab_of(BLOCK.replace("DISK", "{block: /dev/b}"))
    found = replace(EMPTY, files=frozenset(files), blocks=frozenset(blocks))
    found = capable(found, images={"/dev/b": Image("/dev/b", "raw")})

    assert [*lacking(lab, ["vm"], found)] == said


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ("raw", []),
        ("qcow2", ["vm: /srv/disk is qcow2, and is taken for raw: say `format: qcow2`"]),
        (
            "luks",
            [
                "vm: /srv/disk is luks, and is taken for raw: `qemu-img convert -O qcow2 /srv/disk FILE`, and say that"
            ],
        ),
    ],
)
def test_an_image_of_another_format_is_told_what_to_say_of_it(seen: str, said: list[str]) -> None:
    lab = lab_of(BLOCK.replace("DISK", "{image: /srv/disk}"))
    found = replace(EMPTY, files=frozenset({"/srv/disk"}))
    found = capable(found, images={"/srv/disk": Image("/srv/disk", seen)})

    assert [*lacking(lab, ["vm"], found)] == said


def test_an_image_with_its_format_said_is_taken() -> None:
    lab = lab_of(BLOCK.replace("DISK", "{image: /srv/disk, format: qcow2}"))
    found = replace(EMPTY, files=frozenset({"/srv/disk"}))

    assert [*lacking(lab, ["vm"], capable(found, images={"/srv/disk": Image("/srv/disk", "qcow2")}))] == []


@pytest.mark.parametrize(
    ("form", "seen", "said"),
    [
        ("raw", None, []),
        ("qcow2", None, ["vm: qemu-img cannot read /srv/disk as qcow2"]),
        ("qcow2", Image("/srv/disk", "qcow2"), []),
    ],
)
def test_of_what_a_guest_writes_to_no_format_is_guessed_nor_advised(
    form: str, seen: Image | None, said: list[str]
) -> None:
    """A guest may write another format's header, with a host's file behind it, into its raw disk."""
    lab = lab_of(BLOCK.replace("DISK", f"{{image: /srv/disk, overlay: off, format: {form}}}"))
    found = capable(replace(EMPTY, files=frozenset({"/srv/disk"})), images={"/srv/disk": seen})

    assert [*lacking(lab, ["vm"], found)] == said
    assert _images(lab, ["vm"]) == ({} if form == "raw" else {"/srv/disk": ("-f", form)})
