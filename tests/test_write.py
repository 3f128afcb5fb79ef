"""Files that a command writes where its user asked for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from provision.edges.files.write import write_all, write_text
from provision.runtime.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").write_text("old and longer")
    (tmp_path / "file").chmod(mode)

    write_text(tmp_path / "file", "new", mode=0o777)

    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700)])
def test_a_new_script_may_be_run_as_far_as_the_umask_lets_it(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "script", "#!/bin/sh", mode=0o777)
    finally:
        os.umask(before)

    assert (tmp_path / "script").stat().st_mode & 0o7777 == mode


TEXTS = {"first": "one\n", "lib/second": "two\n"}


def test_of_several_files_those_that_are_missing_are_written_and_the_same_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert write_all(str(out), TEXTS) == [out / name for name in TEXTS]
    assert {name: (out / name).read_text() for name in TEXTS} == TEXTS
    (out / "lib/second").unlink()
    assert write_all(str(out), TEXTS) == [out / "lib/second"]


IN_THE_WAY: dict[str, tuple[str, Callable[[Path], object]]] = {
    "another text": ("lib/second", lambda path: path.write_text("another")),
    "more": ("lib/second", lambda path: path.write_text("two\nand more")),
    "no text": ("lib/second", lambda path: path.write_bytes(b"\xff\xfe\x00")),
    "a link to a device without end": ("lib/second", lambda path: path.symlink_to("/dev/zero")),
    "a link to nothing": ("lib/second", lambda path: path.symlink_to("../../outside/new")),
    "a FIFO": ("lib/second", os.mkfifo),
    "a directory": ("lib/second", lambda path: path.mkdir()),
    "a link out of it": ("lib", lambda path: path.symlink_to("../outside")),
    "a link to itself": ("lib", lambda path: path.symlink_to("lib")),
    "a file for a directory": ("lib", lambda path: path.write_text("")),
}


@pytest.mark.parametrize(("name", "put"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_where_one_is_in_the_way_none_is_written_and_none_elsewhere(
    tmp_path: Path, name: str, put: Callable[[Path], object]
) -> None:
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    put(out / name)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(HostError):
        write_all(str(out), TEXTS)

    assert sorted(tmp_path.rglob("*")) == before
