"""Evidence on the disk: for its owner alone, whole or not at all; and read as if a stranger had written it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from provision.edges.files.evidence_folder import (
    EvidenceDirectory,
    Limits,
    claim,
    is_evidence,
    read_pasted,
    write_evidence,
)
from provision.runtime.errors import HostError, RequestError
from provision.verify.saved.files import INDEX, as_files, parse_saved
from tests.recordings import found, ran, saved

ONE = saved(ran("features"), found("vm", "../../etc"))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    directory = tmp_path / "ev"
    write_evidence(str(directory), as_files(ONE))
    return directory


def modes(directory: Path) -> dict[str, int]:
    return {str(p.relative_to(directory)): p.stat().st_mode & 0o777 for p in directory.rglob("*")}


def test_what_was_written_is_read_back(there: Path) -> None:
    directory = EvidenceDirectory(str(there))

    assert is_evidence(str(there))
    assert parse_saved(directory.index(), directory.read) == ONE


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_evidence(str(tmp_path / "ev"), as_files(ONE))
    finally:
        os.umask(before)

    found = modes(tmp_path / "ev")
    assert (tmp_path / "ev").stat().st_mode & 0o777 == 0o700
    assert {found.pop(name) for name in ("hv", "hv/domains", "hv/domains/vm", "hv/domains/etc")} == {0o700}
    assert set(found.values()) == {0o600}


def test_an_empty_directory_of_ours_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "ev").mkdir(mode=0o755)

    write_evidence(str(tmp_path / "ev"), as_files(ONE))

    assert (tmp_path / "ev").stat().st_mode & 0o777 == 0o700


def test_no_evidence_is_overwritten(there: Path) -> None:
    before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}

    with pytest.raises(RequestError, match="is not empty"):
        write_evidence(str(there), {INDEX: b"{}"})

    assert {path: path.read_bytes() for path in there.rglob("*") if path.is_file()} == before


def test_a_place_that_will_not_do_is_known_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")

    for name, words in (
        ("file", "is no directory"),
        ("link", "is no directory"),
        ("full", "is not empty"),
        ("no/ev", "cannot be made"),
    ):
        with pytest.raises(RequestError, match=words):
            claim(str(tmp_path / name))
    claim(str(tmp_path / "ev"))
    assert not (tmp_path / "ev").exists()


@pytest.mark.real  # only root makes somebody else's directory
def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ev").mkdir()
    os.chown(tmp_path / "ev", 65534, 65534)

    with pytest.raises(RequestError, match="somebody else"):
        claim(str(tmp_path / "ev"))


class Interrupted(dict[str, bytes]):
    """Files of which the second is never reached."""

    def items(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        for number, item in enumerate(super().items()):
            if number:
                raise KeyboardInterrupt
            yield item


@pytest.mark.parametrize("existed", [True, False])
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, *, existed: bool) -> None:
    if existed:
        (tmp_path / "ev").mkdir()

    with pytest.raises(KeyboardInterrupt):
        write_evidence(str(tmp_path / "ev"), Interrupted(as_files(ONE)))

    assert list(tmp_path.rglob("*")) == ([tmp_path / "ev"] if existed else [])


def test_a_disk_that_refuses_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written: File name too long"):
        write_evidence(str(tmp_path / "ev"), {"hv/a": b"", f"hv/{'a' * 300}": b""})

    assert not (tmp_path / "ev").exists()


@pytest.mark.parametrize("limits", [Limits(file=5), Limits(total=11)])
def test_evidence_that_could_not_be_read_again_is_not_written(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(HostError, match="too large"):
        write_evidence(str(tmp_path / "ev"), {"a": b"123456", "b": b"123456"}, limits)
    assert not (tmp_path / "ev").exists()


@pytest.mark.parametrize(
    "name", ["../secret", "hv/../../secret", "/etc/passwd", "hv//x", "", ".", "hv/x\0y", "hv"]
)
def test_no_path_leads_out(there: Path, name: str) -> None:
    (there.parent / "secret").write_text("s3cret")

    with pytest.raises(RequestError):
        EvidenceDirectory(str(there)).read(name)


def test_links_and_pipes_are_not_followed(there: Path) -> None:
    (there.parent / "secret").write_text("s3cret")
    (there / "link").symlink_to(there.parent / "secret")
    (there / "folder").symlink_to(there.parent)
    os.mkfifo(there / "pipe")

    for name in ("link", "folder/secret", "pipe"):
        with pytest.raises(RequestError, match="cannot be read"):
            EvidenceDirectory(str(there)).read(name)


def test_what_is_too_large_is_not_read(there: Path) -> None:
    (there / "big").write_bytes(b"12345678901")
    (there / "small").write_bytes(b"1234567890")
    directory = EvidenceDirectory(str(there), Limits(file=10))

    with pytest.raises(RequestError, match="larger than the 10 bytes"):
        directory.read("big")
    assert directory.read("small") == b"1234567890"


def test_all_together_are_bounded_too(there: Path) -> None:
    (there / "small").write_bytes(b"1234567890")
    directory = EvidenceDirectory(str(there), Limits(total=15))
    directory.read("small")

    with pytest.raises(RequestError, match="larger than the 5 bytes"):
        directory.read("small")


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
