"""Compiles the engine guest: its initramfs, and the native program that its parts are tried with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cpio

HERE = Path(__file__).parent
STRICT = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")


def compiled(target: Path, sources: tuple[str, ...], *flags: str) -> Path:
    """A program of these sources.

    :raise AssertionError: with the compiler's words, of which a warning is enough.
    """
    argv = ["gcc", *STRICT, *flags, "-o", str(target), *(str(HERE / name) for name in sources)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def initramfs(folder: Path) -> Path:
    """The engine guest's, in a folder; its kernel is the demo guest's."""
    sources = ("init.c", "nic.c", "pci.c", "ring.c", "frame.c")
    init = compiled(folder / "init", sources, "-static")
    archive = folder / "engine.gz"
    archive.write_bytes(
        cpio.archive({"init": cpio.program(init.read_bytes()), "dev/console": cpio.node(5, 1)})
    )
    return archive
