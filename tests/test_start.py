"""What a start of rscvm costs: the modules that it loads, and Python's search for garbage."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.labs import THREE_VMS

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    *("libvirt", "paramiko", "rich", "lxml", "pydantic", "ruamel.yaml", "jinja2", "qemu.qmp"),
    *("html", "difflib", "traceback", "provision.tables.known_issues", "provision.facts.domain"),
)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(THREE_VMS)
    return path


def loaded_by(*arguments: str) -> set[str]:
    """Which heavy modules a fresh rscvm has loaded when it ends."""
    code = (
        "import sys; from provision.cli import run; run(sys.argv[1:]); "
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(eval(done.stdout.rpartition("LOADED ")[2]))  # noqa: S307 - our own print


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by("--help") == set()


def test_render_loads_neither_libvirt_nor_ssh_nor_rich(lab: Path) -> None:
    """Older pydantic loads traceback by itself."""
    assert loaded_by("render", str(lab), "dut") - {"traceback"} == {"pydantic", "ruamel.yaml", "jinja2"}


def test_python_looks_for_garbage_neither_in_a_render_nor_at_its_end(lab: Path) -> None:
    code = (
        "import atexit, gc; from provision.__main__ import main; before = gc.get_stats()[0]['collections']; "
        "atexit.register(lambda: print('GARBAGE', gc.get_stats()[0]['collections'] - before, gc.get_freeze_count() > 0)); "
        "main()"
    )
    argv = [sys.executable, "-c", code, "render", str(lab), "dut"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert done.stdout.rpartition("GARBAGE ")[2] == "0 True\n"
