"""Every command survives standard streams that are closed, and its exit status is what it would have been."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from provision.cli import rscvm
from tests.builders import FIXTURES

PASTED = str(FIXTURES / "pasted" / "one-line.txt")
NOWHERE = "--connect qemu+unix:///system?socket=/nowhere"
COMMANDS = {
    "apply": ("apply LAB --json",),
    "bench": (f"bench {NOWHERE} vm", "bench LAB vm --json"),
    "check": (f"check --from {PASTED}", f"check --from {PASTED} --json", "check --qmp /nowhere"),
    "completion": ("completion bash",),
    "doctor": ("doctor LAB",),
    "down": ("down LAB", "down no-such-file.yaml"),
    "examples": ("examples", "examples windows"),
    "explain": ("explain gro-off", "explain --json"),
    "export": ("export schema",),
    "fix": (f"fix {NOWHERE} vm",),
    "hck": ("hck disarm LAB",),
    "import": (f"import vm {NOWHERE}",),
    "plan": ("plan LAB", "plan no-such-file.yaml"),
    "render": ("render LAB", "render LAB --backend qemu --json"),
    "status": ("status LAB --json",),
    "up": ("up LAB --no-such-option", "up no-such-file.yaml"),
    "validate": ("validate LAB", "validate no-such-file.yaml"),
    "": ("--help", "--version", "check --no-such-option"),
}
CLOSED = (">&-", "<&-", "2>&-", ">&- 2>&- <&-")
LAB = """version: 1
machines: {vm: {backend: qemu, guest: linux, memory: 64MiB, nics: [{user: true, rsc: false}]}}
"""


def test_every_command_is_here() -> None:
    assert rscvm.commands.keys() == COMMANDS.keys() - {""}


@pytest.mark.parametrize("name", COMMANDS)
def test_closed_streams_change_no_exit_status(name: str, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB)
    for words in COMMANDS[name]:
        program = f"{sys.executable} -m provision {words.replace('LAB', str(lab))}"
        whole, *others = (
            subprocess.run(["sh", "-c", f"{program} {how}"], check=False, capture_output=True, timeout=60)
            for how in ("", *(CLOSED if name == "check" else CLOSED[-1:]))
        )

        for less in others:
            assert less.returncode == whole.returncode
            assert b"internal error" not in less.stderr
            assert b"Traceback" not in less.stderr
