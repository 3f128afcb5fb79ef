"""Measure everything and write RESULTS.md: `make bench`, or `python -m bench.run` as root in the checkout."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.bring_up import GUEST, measure_bring_up
from bench.cold import measure_cold
from bench.many import measure_many
from bench.report import machine, results
from tests.real.hypervisor import Hypervisor

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> int:
    """Measure on hosts made of namespaces, which end with all that runs on them."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--times", type=int, default=11, help="pairs of each cold command (default 11)")
    parser.add_argument("-o", dest="path", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    times = max(3, options.times)
    if not (GUEST / "vmlinuz").exists():
        print("the demo guest is not built: run `make guest`", file=sys.stderr)
        return 2
    about = machine()
    with tempfile.TemporaryDirectory() as directory:
        print("cold commands", file=sys.stderr)
        with Hypervisor() as host:
            host.start_libvirtd()
            cold = measure_cold(host, Path(directory), times)
        print("1, 100 and 1,000 machines", file=sys.stderr)
        many = measure_many(max(3, times // 2))
        print("up", file=sys.stderr)
        with Hypervisor() as host:
            up = measure_bring_up(host, Path(directory), max(3, times * 2 // 3))
    options.path.write_text(results(about, cold, many, up))
    print(f"written: {options.path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
