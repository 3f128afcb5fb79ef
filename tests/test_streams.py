"""Every command survives standard streams that are closed, and its exit status is what it would have been."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.builders import FIXTURES

PASTED = str(FIXTURES / "pasted" / "one-line.txt")
COMMANDS = {
    "check": (f"check --from {PASTED}", f"check --from {PASTED} --json"),
    "explain": ("explain gro-off", "explain --json"),
    "export": ("export schema",),
    "usage": ("check --no-such-option", "plan no-such-file.yaml"),
    "help": ("--help", "--version"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_change_no_exit_status(name: str, closed: str) -> None:
    for words in COMMANDS[name]:
        program = f"{sys.executable} -m provision {words}"
        whole, less = (
            subprocess.run(["sh", "-c", f"{program} {how}"], check=False, capture_output=True, timeout=60)
            for how in ("", closed)
        )

        assert less.returncode == whole.returncode
        assert b"internal error" not in less.stderr
        assert b"Traceback" not in less.stderr
