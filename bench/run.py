"""Measure everything and write RESULTS.md: `make bench`, or `python -m bench.run` as root in the checkout."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from compileall import compile_dir
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bring_up import measure_bring_up
from bench.cold import measure_cold
from bench.domains import measure_domains
from bench.enforce import measure_enforce
from bench.fleet import SIZES as FLEETS
from bench.fleet import measure_fleet
from bench.guests import measure_guests
from bench.knobs import measure_knobs
from bench.many import measure_many
from bench.plot import plot
from bench.remote import BIN, SIZES, measure_remote
from bench.report import Found, machine, results
from bench.taps import measure_taps
from tests.real.demo_guest import GUEST
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESULTS = Path(__file__).parent / "RESULTS.md"
_PACKAGE = Path(__file__).parent.parent / "provision"
"""Compiled before, as pip does when it installs a package, and has done with the peers'."""
_LEAST = 3


def _cold(found: Found, directory: Path, times: int) -> None:
    with Hypervisor() as host:
        host.start_libvirtd()
        found.cold = measure_cold(host, directory, times)


def _many(found: Found, _: Path, times: int) -> None:
    found.many = measure_many(max(_LEAST, times // 2))


def _up(found: Found, directory: Path, times: int) -> None:
    with Hypervisor() as host:
        found.up = measure_bring_up(host, directory, max(_LEAST, times * 2 // 3))


def _hosts(found: Found, directory: Path, times: int) -> None:
    rounds = max(_LEAST, times * 2 // 3), max(_LEAST, times // 2)
    found.hosts = [measure_remote(directory, size, each) for size, each in zip(SIZES, rounds, strict=True)]


def _taps(found: Found, directory: Path, times: int) -> None:
    found.taps = measure_taps(directory, times)


def _domains(found: Found, _: Path, times: int) -> None:
    found.domains = measure_domains(max(_LEAST, times * 2 // 3))


def _guests(found: Found, _: Path, times: int) -> None:
    found.guests = measure_guests(max(_LEAST, times * 2 // 3))


def _enforce(found: Found, directory: Path, times: int) -> None:
    found.enforce = measure_enforce(directory, max(_LEAST, times // 2))


def _knobs(found: Found, directory: Path, _: int) -> None:
    found.knobs = measure_knobs(directory)


def _fleet(found: Found, directory: Path, _: int) -> None:
    found.fleet = [measure_fleet(directory, size, times) for size, times in FLEETS.items()]


PARTS: Mapping[str, Callable[[Found, Path, int], None]] = {
    "cold": _cold,
    "many": _many,
    "up": _up,
    "hosts": _hosts,
    "taps": _taps,
    "domains": _domains,
    "guests": _guests,
    "enforce": _enforce,
    "knobs": _knobs,
    "fleet": _fleet,
}
"""What each part measures is in README.md."""


def _lacking(parts: list[str]) -> str:
    if {"up", "guests", "enforce", "knobs"} & {*parts} and not (GUEST / "vmlinuz").exists():
        return "the demo guest is not built: run `make guest`"
    if not all((BIN / name).exists() for name in ("pyinfra", "ansible-playbook", "rscvm")):
        return "the peers are not installed: run `make bench-peers`"
    return ""


def main() -> int:
    """Measure on hosts made of namespaces, which end with all that runs on them."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--times", type=int, default=11, help="pairs of each cold command (default 11)")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="measure these parts only, and print them")
    parser.add_argument(
        "-o", dest="path", type=Path, help=f"where to write (default {RESULTS.name}, or print)"
    )
    options = parser.parse_args()
    parts, found = options.only or list(PARTS), Found()
    if sentence := _lacking(parts):
        print(sentence, file=sys.stderr)
        return 2
    about = machine()
    compile_dir(str(_PACKAGE), quiet=1)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # by which each run would compile its templates anew
    with tempfile.TemporaryDirectory() as directory:
        for part in parts:
            print(f"measuring: {part}", file=sys.stderr)
            PARTS[part](found, Path(directory), max(_LEAST, options.times))
    path = options.path or (None if options.only else RESULTS)
    if path is None:
        print(results(about, found))
        return 0
    path.write_text(results(about, found))
    if found.fleet:
        (path.parent / "fleet.svg").write_text(plot(found.fleet))
    print(f"written: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
