"""Which of a sample of mutants the unit tests notice: `make mutants`, into build/mutants/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coverage import Coverage, CoverageData

from tests.mutants.sample import PACKAGES, Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.queues import SimpleQueue

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build" / "mutants"
# Loaded once, before the fork that each mutant is tried in.
_PRELOADED = ("click", "hypothesis", "jinja2", "libvirt", "lxml.etree", "paramiko", "pydantic", "qemu.qmp", "rich.table", "ruamel.yaml")  # fmt: skip
_LOADED_EARLY = "ignore::pytest.PytestAssertRewriteWarning"
_OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", _LOADED_EARLY, "--hypothesis-profile", "mutants"]
# These look at the text of files, not at what it does.
_LEFT_OUT = ("tests/real", *(f"tests/test_{name}.py" for name in ("architecture", "bench", "linters")))
_NOT_COPIED = (".git", ".venv", "build", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")
_FORK = get_context("fork")
_MEMORY = 4 << 30  # bytes, for a mutant that does not end
# Each copy of the tree is lent to one mutant at a time.
_COPIES: SimpleQueue[Path] = _FORK.SimpleQueue()


@dataclass(frozen=True, slots=True)
class Watch:
    """Notes in a whole run which test executes which line, and how long each takes."""

    coverage: Coverage
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self) -> None:
        self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


@dataclass(frozen=True, slots=True)
class Choice:
    """Lets the tests run that a mutant can reach, the quickest first; chosen here, so that none need exist."""

    seconds: dict[str, float]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid in self.seconds]
        items[:] = sorted(kept, key=lambda item: self.seconds[item.nodeid])


def _in_copy(copy: Path, work: Callable[[], int], limit: float | None = None) -> int | None:
    """How a fork in a copy of the tree ends; None where it had to be ended."""

    def body() -> None:
        os.setsid()
        os.chdir(copy)
        sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "provision")]:
            del sys.modules[name]
        os.environ["PYTHONPATH"] = str(copy)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        with (BUILD / f"{copy.name}.log").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os._exit(work())

    process = _FORK.Process(target=body)
    process.start()
    try:
        process.join(limit)
        return process.exitcode
    finally:
        if process.is_alive():
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()


def _measure() -> int:
    """All tests once without a mutant, in the copy; this writes its bytecode, too."""
    coverage = Coverage(data_file=str(BUILD / "coverage"), source=["provision"])
    watch = Watch(coverage)
    coverage.start()
    status = pytest.main([*_OPTIONS, *(f"--ignore={path}" for path in _LEFT_OUT)], plugins=[watch])
    coverage.stop()
    coverage.save()
    (BUILD / "seconds.json").write_text(json.dumps(watch.seconds))
    return status


def _batches(mutant: Mutant, seconds: dict[str, float]) -> list[dict[str, float]]:
    """Tests that execute a mutant's line, or any of its file where imports do; the files with most of them first."""
    data = CoverageData(str(BUILD / "coverage"))
    data.read()
    lines = data.contexts_by_lineno(str(BUILD / "0" / mutant.path))
    by_line = set(lines.get(mutant.line, ())) - {""}
    reaching = by_line or {test for tests in lines.values() for test in tests} - {""} or seconds.keys()
    by_file: dict[str, dict[str, float]] = defaultdict(dict)
    for test in sorted(reaching):
        by_file[test.partition("::")[0]][test] = seconds[test]
    ordered = sorted(by_file.values(), key=len, reverse=True)
    first, rest = ordered[:3], ordered[3:]
    return [{test: took for tests in some for test, took in tests.items()} for some in (first, rest) if some]


def _try(mutant: Mutant, seconds: dict[str, float]) -> str:
    """What becomes of a mutant: killed, survived or timed out."""
    copy = _COPIES.get()
    file, batches = copy / mutant.path, _batches(mutant, seconds)

    def tests() -> int:
        sys.dont_write_bytecode = True
        for batch in batches:
            files = sorted({test.partition("::")[0] for test in batch})
            if pytest.main([*_OPTIONS, *files], plugins=[Choice(batch)]) not in (0, 5):
                return 1
        return 0

    was = file.stat()
    file.write_text(mutant.after)
    try:
        status = _in_copy(copy, tests, 30 + 5 * sum(sum(batch.values()) for batch in batches))
    finally:
        file.write_text(mutant.before)
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        _COPIES.put(copy)
    return {0: "survived", None: "timed out"}.get(status, "killed")


def _copies(workers: int) -> dict[str, float]:
    """Copies the tree for each worker, after the tests were measured in the first; how long each test takes."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(ROOT, BUILD / "0", symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    if _in_copy(BUILD / "0", _measure) != 0:
        raise SystemExit(f"the tests fail without mutants, too: {BUILD / '0.log'}")
    for worker in range(workers):
        if worker:
            shutil.copytree(BUILD / "0", BUILD / str(worker), symlinks=True)
        _COPIES.put(BUILD / str(worker))
    seconds: dict[str, float] = json.loads((BUILD / "seconds.json").read_text())
    return seconds


def _report(ends: list[tuple[Mutant, str]], title: str) -> str:
    """A table of packages, and each survivor with its line."""
    columns = ("killed", "survived", "timed out")
    rows = [("package", "mutants", *columns), ("---", *["---:"] * 4)]
    for package in (*PACKAGES, "all"):
        counts = Counter(end for mutant, end in ends if package in (mutant.package, "all"))
        rows.append((package, *map(str, (counts.total(), *(counts[column] for column in columns)))))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    survivors = sorted((mutant.path, mutant.line, mutant.diff) for mutant, end in ends if end == "survived")
    shown = "".join(f"\n{path}:{line}\n```diff\n{diff}\n```\n" for path, line, diff in survivors)
    return f"# {title}\n\n{table}\n\n## Survivors\n{shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    start = time.monotonic()
    for name in _PRELOADED:
        import_module(name)
    drawn, seconds = mutants(ROOT, chosen.seed, chosen.sample), _copies(chosen.workers)
    ends = []
    with ProcessPoolExecutor(chosen.workers, mp_context=_FORK) as pool:
        for mutant, end in zip(drawn, pool.map(_try, drawn, repeat(seconds)), strict=True):
            ends.append((mutant, end))
            print(f"{len(ends)}/{len(drawn)} {mutant.path}:{mutant.line} {end}", flush=True)
    minutes = (time.monotonic() - start) / 60
    report = _report(ends, f"{len(drawn)} mutants, seed {chosen.seed}, {minutes:.0f} minutes")
    (BUILD / "RESULTS.md").write_text(report)
    print(report)


if __name__ == "__main__":
    main()
