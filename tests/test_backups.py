"""Where definitions are kept that `fix` replaces."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from provision.edges.files.backups import keep
from provision.runtime.errors import HostError


def test_backups_are_the_users_own_and_no_name_leads_out_of_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name = "../../a\n\x1b[2J" + "ä" * 300

    first, second = Path(keep(name, "<a/>\r\n")), Path(keep(name, "<b/>"))

    assert first.parent == second.parent == tmp_path / "rscvm" / "backups"
    assert first != second
    assert first.read_bytes() == b"<a/>\r\n"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert first.name.isascii()
    assert json.dumps(first.name).strip('"') == first.name


def test_a_relative_state_directory_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Path(keep("vm", "<a/>")).parent == tmp_path / ".local" / "state" / "rscvm" / "backups"


def test_a_definition_that_cannot_be_kept_is_the_hosts_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rscvm").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    with pytest.raises(HostError, match="vm's definition could not be kept, and was left alone"):
        keep("vm", "<a/>")
