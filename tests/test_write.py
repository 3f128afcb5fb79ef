"""Files that a command writes where its user asked for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from provision.edges.files.write import write_text

if TYPE_CHECKING:
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
