"""The house rules that a program can hold: directions, edges, sizes, types, no cycles."""

from __future__ import annotations

import ast
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "provision"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40

# Each may import from its own row and the rows above it, and nothing from below.
LEVELS: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "runtime tables",
        "facts",
        "lab",
        "render",
        "host",
        "verify",
        "verbs",
        "edges",
        "cli api __init__ __main__",
    )
)
EDGE_MODULES = {"subprocess", "socket", "paramiko", "libvirt", "libvirt_qemu", "qemu", "asyncio"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def level(name: str) -> int:
    return next((i for i, rooms in enumerate(LEVELS) if room(name) in rooms), -1)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = {module_name(path): path for path in FILES}


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name in MODULES and name != "provision"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    assert level(name) >= 0, f"{room(name)} has no level: say in LEVELS who may import it"
    upward = {other for other in ours(MODULES[name]) if level(other) > level(name)}

    assert not upward


def test_edges_know_errors_commands_and_interruptions_only() -> None:
    allowed = {"provision.runtime", "provision.edges"}
    for name, path in MODULES.items():
        if room(name) == "edges":
            foreign = {o for o in ours(path) if not any(o == a or o.startswith(f"{a}.") for a in allowed)}

            assert not foreign, name


@pytest.mark.parametrize("name", MODULES)
def test_only_edges_do_io(name: str) -> None:
    touched = {found.split(".")[0] for found in imports(MODULES[name])} & EDGE_MODULES

    assert not touched or room(name) == "edges"


def test_nothing_imports_the_command_line() -> None:
    importers = {n for n, p in MODULES.items() if any(room(o) == "cli" for o in ours(p))}

    assert {room(name) for name in importers} <= {"cli", "__main__"}


def test_there_is_no_import_cycle() -> None:
    graph = {name: ours(path) - {name} for name, path in MODULES.items()}

    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "guest").glob("*.py")), *sorted((ROOT / "bench").glob("*.py"))],
                         ids=lambda path: str(path.relative_to(ROOT)))  # fmt: skip
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        f.name: f.end_lineno - f.lineno + 1
        for f in functions
        if f.end_lineno and f.end_lineno - f.lineno >= LONGEST_FUNCTION
    }

    assert len(text.splitlines()) <= LONGEST_FILE
    assert not long


def test_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_no_sleep_outside_the_one_wait() -> None:
    sleepers = {name for name, path in MODULES.items() if "time.sleep(" in path.read_text()}

    assert sleepers == {"provision.runtime.deadline"}
