"""Evidence on the disk: for its owner alone, whole or not at all; and read as if a stranger had written it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from provision.edges.files.evidence_folder import (
    EvidenceDirectory,
    Limits,
    claim,
    is_evidence,
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


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o1750])
def test_an_empty_directory_of_ours_is_taken_and_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    (tmp_path / "ev").mkdir()
    (tmp_path / "ev").chmod(mode)

    write_evidence(f"{tmp_path}/ev/", as_files(ONE))

    assert (tmp_path / "ev").stat().st_mode & 0o7777 == mode
    assert is_evidence(str(tmp_path / "ev"))
    assert set(modes(tmp_path / "ev").values()) == {0o700, 0o600}


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_directory_that_others_may_write_to_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    (tmp_path / "ev").mkdir()
    (tmp_path / "ev").chmod(mode)

    for write in (claim, lambda at: write_evidence(at, as_files(ONE))):
        with pytest.raises(RequestError, match=f"others may write to it .its mode is {mode:04o}"):
            write(str(tmp_path / "ev"))

    assert (tmp_path / "ev").stat().st_mode & 0o7777 == mode
    assert not list((tmp_path / "ev").iterdir())


@pytest.mark.parametrize("end", ["", "/", "//", "/.", "/./"])
@pytest.mark.parametrize("leads", ["there", "nowhere"])
def test_a_link_is_not_followed(tmp_path: Path, end: str, leads: str) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(leads)

    for write in (claim, lambda at: write_evidence(at, as_files(ONE))):
        with pytest.raises(RequestError, match="is a link"):
            write(f"{tmp_path}/link{end}")

    assert (tmp_path / "link").is_symlink()
    assert not list((tmp_path / "there").iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_who_takes_a_directory_away_while_it_is_written_to_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    class Swapped(dict[str, bytes]):
        def items(self) -> Any:
            (tmp_path / "ev").rename(tmp_path / "taken")
            (tmp_path / "ev").symlink_to("other")
            return super().items()

    write_evidence(str(tmp_path / "ev"), Swapped(as_files(ONE)))

    assert is_evidence(str(tmp_path / "taken"))
    assert not list((tmp_path / "other").iterdir())


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
        ("link", "is a link"),
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

    def items(self) -> Any:
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


@pytest.mark.parametrize("limits", [Limits(file=5), Limits(total=11), Limits(index=5)])
def test_evidence_that_could_not_be_read_again_is_not_written(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(HostError, match="too large"):
        write_evidence(str(tmp_path / "ev"), {"a": b"123456", INDEX: b"123456"}, limits)
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


def test_an_index_that_is_too_large_is_not_read(there: Path) -> None:
    with pytest.raises(RequestError, match="larger than the 10 bytes"):
        EvidenceDirectory(str(there), Limits(index=10)).index()


def test_all_together_are_bounded_too(there: Path) -> None:
    (there / "small").write_bytes(b"1234567890")
    directory = EvidenceDirectory(str(there), Limits(total=15))
    directory.read("small")

    with pytest.raises(RequestError, match="larger than the 5 bytes"):
        directory.read("small")
