"""Which disks of a domain are carried over into a lab file, how, and why others are left out."""

from __future__ import annotations

import pytest

from tests.builders import lab_of
from tests.domains import DISK, small


@pytest.mark.parametrize(
    ("form", "path", "said"),
    [
        ("qcow2", "/srv/disk", "qcow2"),
        ("raw", "/srv/disk.qcow2", "raw"),
        ("raw", "/srv/disk.img", None),
        ("qcow2", "/srv/disk.qcow2", None),
    ],
)
def test_a_format_is_said_where_the_name_tells_another(form: str, path: str, said: str | None) -> None:
    imported = small(DISK.replace("FORM", form).replace("PATH", path).replace("BUS", "virtio"))

    assert lab_of(imported.text).machines["vm"].disks[0].format == said
    assert "format:" in imported.text if said else "format:" not in imported.text


def test_a_block_device_stays_one_and_no_overlay_is_said_of_it() -> None:
    block = DISK.replace("FORM", "raw").replace("PATH", "/dev/vg/win").replace("BUS", "scsi")
    imported = small(block.replace("type='file'", "type='block'").replace("file=", "dev="))

    [disk] = lab_of(imported.text).machines["vm"].disks
    assert (disk.block, disk.bus, disk.overlaid) == ("/dev/vg/win", "scsi", False)
    assert "{block: /dev/vg/win, bus: scsi}" in imported.text


@pytest.mark.parametrize(
    ("kind", "within", "words"),
    [
        ("file", "<encryption format='luks'><secret type='passphrase' uuid='UUID'/></encryption>", "no encrypted disks"),
        ("file", "<source file='PATH'><encryption format='luks'><secret type='passphrase' uuid='UUID'/></encryption></source>", "no encrypted disks"),
        ("file", "<source file='PATH'><slices><slice type='storage' offset='1048576' size='8388608'/></slices></source>", "no disks that are a part of a file"),
        ("file", "<shareable/>", "no disks that several machines write to"),
        ("block", "<readonly/>", "a lab file's machine writes to its block devices"),
        ("block", "<transient/>", "a lab file's machine writes to its block devices"),
    ],
)  # fmt: skip
def test_a_disk_that_would_be_another_in_a_lab_file_is_left_out_and_said(
    kind: str, within: str, words: str
) -> None:
    disk = DISK.replace("FORM", "raw").replace("BUS", "virtio")
    source = "<source file='PATH'/>"
    assert source in disk
    new = within if "<source" in within else source + within
    disk = (
        disk.replace(source, new).replace("PATH", "/srv/a.img").replace("UUID", "0" * 8 + "-0" * 4 + "0" * 3)
    )
    if kind == "block":
        disk = disk.replace("type='file'", "type='block'").replace("file=", "dev=")

    imported = small(disk)

    assert lab_of(imported.text).machines["vm"].disks == ()
    assert [note.why for note in imported.notes if words in note.why]


def test_a_disk_without_a_word_of_its_driver_is_a_raw_image() -> None:
    disk = DISK.replace("FORM", "raw").replace("PATH", "/srv/a.img").replace("BUS", "virtio")
    driver = "<driver type='raw'/>"
    assert driver in disk

    imported = small(disk.replace(driver, ""))

    [found] = lab_of(imported.text).machines["vm"].disks
    assert (found.image, found.effective_format) == ("/srv/a.img", "raw")
    assert not [note for note in imported.notes if "no word for it" in note.why]


def test_all_that_a_disks_driver_says_at_once_has_its_reason() -> None:
    disk = DISK.replace("FORM", "raw").replace("PATH", "/srv/a.img").replace("BUS", "virtio")
    imported = small(disk.replace("type='raw'", "type='raw' cache='none' io='native' iothread='2'"))

    [note] = [note for note in imported.notes if note.path.startswith("devices/disk")]
    assert (note.was, note.now, note.why) == (
        "cache=none io=native iothread=2",
        None,
        "left to QEMU's default",
    )
