"""Linters and types are tests like any other."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import provision
from provision.host.apply import lock
from provision.render.guest_scripts import GUEST_SCRIPTS

MODULES = [
    import_module(each.name)
    for each in walk_packages(provision.__path__, "provision.")
    if "__main__" not in each.name
]
SCRIPTS = {name: text for module in MODULES for name, text in getattr(module, "SCRIPTS", {}).items()}
IN_GUESTS = {name: row.example().text for name, row in GUEST_SCRIPTS.items() if row.example().shell == "sh"}
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["ruff", "check", "--quiet", "."], id="ruff-check"),
        pytest.param(["ruff", "format", "--check", "--quiet", "."], id="ruff-format"),
        pytest.param(["mypy", "--no-error-summary"], id="mypy-strict"),
    ],
)
def test_linter_finds_nothing(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def shellcheck(text: str, shell: str = "sh") -> str:
    done = subprocess.run(
        ["shellcheck", f"--shell={shell}", "--severity=warning", "-"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(
    ("path", "shell"),
    [
        ("guest/init", "sh"),
        ("templates/accelerators.sh", "sh"),
        ("templates/libvirt-hook.sh", "sh"),
        ("tests/next.sh", "sh"),
        ("tests/sanity.sh", "sh"),
        (".ci/run", "bash"),
    ],
)
def test_shell_scripts_are_clean(path: str, shell: str) -> None:
    assert shellcheck((ROOT / path).read_text(), shell) == ""


@pytest.mark.parametrize(
    "script",
    [*SCRIPTS.values(), lock.HOLD, *IN_GUESTS.values()],
    ids=[*SCRIPTS, "lock", *IN_GUESTS],
)
def test_constant_scripts_are_clean(script: str) -> None:
    assert shellcheck(script) == ""
