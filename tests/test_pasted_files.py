"""Pasted texts on the disk: read from wherever they are, bounded, and nobody waits for who never says anything."""

from __future__ import annotations

import io
import os
from pathlib import Path
from threading import Thread

import pytest

from provision.edges.files.evidence_folder import is_evidence
from provision.edges.files.pasted_files import read_pasted
from provision.runtime.errors import RequestError

NOTHING = io.BytesIO()


def test_pasted_texts_are_read_from_a_file_a_directory_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"two\r\n")
    (tmp_path / "a.txt").write_bytes("one".encode("utf-16"))
    (tmp_path / "folder").mkdir()

    assert not is_evidence(str(tmp_path))
    assert read_pasted(str(tmp_path), NOTHING) == {"a.txt": "one", "b.txt": "two\r\n"}
    assert read_pasted(str(tmp_path / "b.txt"), NOTHING) == {"b.txt": "two\r\n"}
    assert read_pasted("-", io.BytesIO(b"\xef\xbb\xbfthree \xff")) == {"stdin": "three \ufffd"}


def sos_report(at: Path, **files: str) -> None:
    folder = at / "sos_commands" / "networking"
    folder.mkdir(parents=True)
    for name, text in {"ip_-o_addr": "1: lo", **files}.items():
        (folder / name.replace("__", "_-")).write_text(text)


@pytest.mark.parametrize("inside", ["", "sos_commands", "sos_commands/networking"])
def test_a_sosreport_is_one_text_of_all_its_devices(tmp_path: Path, inside: str) -> None:
    sos_report(tmp_path / "sosreport-hv1", ethtool__k_vnet2="Features for vnet2:", ethtool__c_eno1="Coalesce")
    (tmp_path / "sosreport-hv1" / "uname").write_text("Linux")

    assert read_pasted(str(tmp_path / "sosreport-hv1" / inside), NOTHING) == {
        "sosreport-hv1": "==> ethtool_-c_eno1 <==\nCoalesce\n==> ethtool_-k_vnet2 <==\nFeatures for vnet2:\n"
    }


def test_several_sosreports_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sos_report(tmp_path / name, ethtool__k_tap0=name)

    assert read_pasted(str(tmp_path), NOTHING) == {
        name: f"==> ethtool_-k_tap0 <==\n{name}\n" for name in ("a", "b")
    }


def test_no_link_leads_out_of_a_sosreport(tmp_path: Path) -> None:
    sos_report(tmp_path / "there", ethtool__k_tap0="secret")
    sos_report(tmp_path / "a", ethtool__k_tap0="one")
    networking = tmp_path / "a" / "sos_commands" / "networking"
    (networking / "ethtool_-k_tap1").symlink_to(tmp_path / "there/sos_commands/networking/ethtool_-k_tap0")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "sos_commands").symlink_to(tmp_path / "there" / "sos_commands")

    assert read_pasted(str(tmp_path / "a"), NOTHING) == {"a": "==> ethtool_-k_tap0 <==\none\n"}
    assert read_pasted(str(tmp_path / "b"), NOTHING) == {}


def test_a_sosreport_that_is_too_large_is_refused(tmp_path: Path) -> None:
    sos_report(tmp_path, ethtool__k_a="x" * (3 << 20), ethtool__k_b="x" * (3 << 20))

    with pytest.raises(RequestError, match="more than 4 MiB"):
        read_pasted(str(tmp_path), NOTHING)


def test_what_is_no_pasted_text_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(5 << 20)

    with pytest.raises(RequestError, match="no pasted output"):
        read_pasted(str(tmp_path / "disk.img"), NOTHING)
    with pytest.raises(RequestError, match="No such file"):
        read_pasted(str(tmp_path / "nowhere"), NOTHING)


def test_all_that_was_pasted_is_bounded_too(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).write_bytes(b"x" * (4 << 20))

    with pytest.raises(RequestError, match="more than 16 MiB in all"):
        read_pasted(str(tmp_path), NOTHING)


def test_all_sosreports_together_are_bounded_too(tmp_path: Path) -> None:
    for name in "abcde":
        sos_report(tmp_path / name, ethtool__k_a="x" * (4_000_000))

    with pytest.raises(RequestError, match="more than 16 MiB in all"):
        read_pasted(str(tmp_path), NOTHING)


def test_a_directory_of_very_many_files_is_refused(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / str(number)).write_bytes(b"")

    with pytest.raises(RequestError, match="more than 100 files"):
        read_pasted(str(tmp_path), NOTHING)


def test_what_comes_without_end_is_refused() -> None:
    with (
        Path("/dev/zero").open("rb") as endless,
        pytest.raises(RequestError, match="standard input has more"),
    ):
        read_pasted("-", endless)
    with pytest.raises(RequestError, match="it is no file"):
        read_pasted("/dev/zero", NOTHING)


def test_a_pipe_that_nobody_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert read_pasted(str(tmp_path / "pipe"), NOTHING) == {"pipe": ""}


def test_a_pipe_is_read_to_its_end_whenever_that_comes() -> None:
    out, into = os.pipe()
    later = Thread(target=lambda: write_and_close(into, b"Features ", b"for x:"))
    with os.fdopen(out, "rb"):
        later.start()
        found = read_pasted(f"/dev/fd/{out}", NOTHING)
    later.join()

    assert found == {str(out): "Features for x:"}


def test_a_pipe_that_does_not_end_is_refused_by_its_size() -> None:
    out, into = os.pipe()
    writer = Thread(target=lambda: write_until_refused(into))
    with os.fdopen(out, "rb"):
        writer.start()
        with pytest.raises(RequestError, match="more than 4 MiB"):
            read_pasted(f"/dev/fd/{out}", NOTHING)
    writer.join()


def write_and_close(into: int, *texts: bytes) -> None:
    with os.fdopen(into, "wb", buffering=0) as file:
        for text in texts:
            file.write(text)


def write_until_refused(into: int) -> None:
    try:
        while True:
            os.write(into, b"x" * 65536)
    except BrokenPipeError:
        os.close(into)
