"""The house rules that a program can hold: directions, edges, sizes, types, no cycles."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "provision"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
LINE = 110

# A module may import from its own row and the rows above it, and nothing from below.
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
EDGES_KNOW = frozenset({"runtime", "edges"})
NAMESAKES = {
    "apply": "cli/X and verbs/X",
    "check": "cli/X and verbs/X",
    "doctor": "cli/X and verbs/X",
    "plan": "cli/X and verbs/X",
    "status": "cli/X and verbs/X",
    "watch": "cli/X and verbs/X",
    "cleanup": "cli/hck/X and verbs/hck/X",
    "disarm": "cli/hck/X and verbs/hck/X",
    "enforce": "cli/hck/X and verbs/hck/X",
    "fix": "cli/X and verbs/X/X",
    "bench": "cli/X and verbs/X/X",
    "down": "cli/X and verbs/X, and its plan",
    "up": "cli/X and verbs/X, and its plan",
    "ovs": "Open vSwitch: parsed, asked, and TAPs as its ports",
    "domains": "libvirt's domains: listed, and defined",
    "enlightenments": "Hyper-V's: the table of them, what a host tells of them, and which of them a machine gets",
    "processes": "the QEMUs of a host: read, and parsed",
    "host": "one host: over SSH, and read",
    "link_file": "systemd's .link file: parsed, and rendered",
    "machine": "a machine: rendered, and imported",
    "machines": "a lab's machines: what may be said of them, what they lack, what is asked of them",
    "monitor": "QEMU's monitor: reached, and asked",
    "nics": "a host's physical NICs: read, planned, and what forbids a setting",
    "steps": "a plan's steps: as data, and as shown",
    "hosts": "what may be said of them, and what is done on them over somebody else's connection",
    "wiring": "edges, built: our own, and over somebody else's connection",
    "taps": "TAPs: made, asked, and given back",
}
"""File names that stand in several rooms, and the one subject that they are about."""
EDGE_MODULES = {
    "subprocess",
    "socket",
    "paramiko",
    "libvirt",
    "libvirt_qemu",
    "qemu",
    "asyncio",
    "http",
    "pypsrp",
    "spnego",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def folder(name: str) -> str:
    return str(MODULES[name].parent.relative_to(PACKAGE))


def level(name: str) -> int:
    return next((i for i, rooms in enumerate(LEVELS) if room(name) in rooms), -1)


@cache
def parsed(path: Path) -> ast.Module:
    """The file as a tree, read once."""
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    """What the file imports, modules and names of them."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


MODULES = {module_name(path): path for path in FILES}


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name in MODULES and name != "provision"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    assert level(name) >= 0, f"{room(name)} has no level: say in LEVELS who may import it"
    upward = {other for other in ours(MODULES[name]) if level(other) > level(name)}

    assert not upward


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "edges"])
def test_edges_know_the_runtime_alone(name: str) -> None:
    assert {room(other) for other in ours(MODULES[name])} <= EDGES_KNOW


@pytest.mark.parametrize("name", MODULES)
def test_only_edges_do_io(name: str) -> None:
    touched = {found.split(".")[0] for found in imports(MODULES[name])} & EDGE_MODULES

    assert not touched or room(name) == "edges"


def test_nothing_imports_the_command_line() -> None:
    importers = {n for n, p in MODULES.items() if any(room(o) == "cli" for o in ours(p))}

    assert {room(name) for name in importers} <= {"cli", "__main__"}


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = {name: ours(path) - {name} for name, path in MODULES.items()}

    tuple(TopologicalSorter(graph).static_order())


def test_no_folder_imports_itself_by_way_of_others() -> None:
    """A folder within another is a part of it: `judge/causes` and `judge` know each other."""
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        here = graph.setdefault(folder(name), set())
        here |= {at for at in map(folder, ours(path)) if not f"{at}/".startswith(f"{folder(name)}/")}
    within = {
        at: {other for other in others if not at.startswith(f"{other}/")} for at, others in graph.items()
    }

    tuple(TopologicalSorter(within).static_order())


def test_a_name_stands_in_two_rooms_only_for_one_subject() -> None:
    names = Counter(path.stem for path in FILES if path.name != "__init__.py")

    assert {name for name, count in names.items() if count > 1} == NAMESAKES.keys()
    assert all(NAMESAKES.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_first_line_tells_what_is_in_the_file(path: Path) -> None:
    first = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]

    assert first.endswith(".")
    assert len(first) < LINE


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "guest").glob("*.py")), *sorted((ROOT / "bench").glob("*.py"))],
                         ids=lambda path: str(path.relative_to(ROOT)))  # fmt: skip
def test_files_and_functions_are_short(path: Path) -> None:
    functions = [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {
        f.name: f.end_lineno - f.lineno + 1
        for f in functions
        if f.end_lineno and f.end_lineno - f.lineno >= LONGEST_FUNCTION
    }

    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    assert not long


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "engine").glob("*.[ch]")), ids=lambda path: path.name
)
def test_the_engine_guests_files_are_short_too(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_no_test_module_is_imported() -> None:
    """What tests share stands in a module of its own, which promises nothing itself."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    imported = {
        str(path.relative_to(ROOT)): {n for n in imports(path) if ".test_" in f".{n}"} for path in files
    }

    assert not {path: names for path, names in imported.items() if names}


def test_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


OWN_JSON = {
    "provision.cli.export": "what render has just written",
    "provision.cli.render": "what render has just written",
    "provision.facts.ethtool_pasted": "documents within a text of at most 4 MiB",
    "provision.facts.printed_lists": "documents within a text of at most 4 MiB",
    "provision.host.apply.execute": "what this run has noted",
    "provision.host.plan.down": "of a journal that has been read",
    "provision.host.plan.readback": "of a journal that has been read",
    "provision.runtime.untrusted": "the one reader",
}
"""Who reads JSON or XML, and whose it is: what others may have written goes through the one reader."""


def test_documents_of_others_are_read_by_the_one_reader() -> None:
    reads = re.compile(r"json\.loads|JSONDecoder|etree\.(fromstring|XML|parse|XMLParser)\b")

    assert {name for name, path in MODULES.items() if reads.search(path.read_text())} == OWN_JSON.keys()


def test_no_sleep_outside_the_one_wait() -> None:
    sleepers = {name for name, path in MODULES.items() if "time.sleep(" in path.read_text()}

    assert sleepers == {"provision.runtime.deadline"}
