"""From measurements to Markdown."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import Spread, spread
from bench.many import ratios

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.bring_up import BringUp
    from bench.cold import Cold
    from bench.compare import Figure
    from bench.many import Many

MS_A_MACHINE = 2.0
LINEAR = 1.2
"""How much dearer a machine may be among 1,000 than among 100 and still be called linear."""

_INTRO = """# Results

Written by `make bench`; how it measures is in [README.md](README.md). A ratio is ours by the peer's, taken pair
by pair from runs back to back; each cell has the median and, in brackets, the range. Below 1 we are faster.

The machine was shared: others worked on it meanwhile, which is why absolute times are only there for scale, and
why ranges are wide.
"""
_LIBRARIES = ("rscvm", "click", "pydantic", "ruamel.yaml", "jinja2", "lxml", "rich")


def _said(*argv: str) -> str:
    """The version in the first line that a program says."""
    words = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[0].split()
    return next(word for word in words if word[0].isdigit())


def _memory() -> str:
    kib = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{kib / 2**20:.1f} GiB"


def machine() -> dict[str, str]:
    """What was measured on, without anything that names it; and the versions of what was measured."""
    load = f"{os.getloadavg()[0]:.1f}"
    return {
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load before (1 minute)": load,
        "Python (rscvm)": platform.python_version(),
        "Python (virt-install)": _said("/usr/bin/python3", "--version"),
        **{name: version(name) for name in _LIBRARIES},
        "virt-install": _said("virt-install", "--version"),
        "libvirt": _said("libvirtd", "--version"),
        "QEMU": _said("qemu-system-x86_64", "--version"),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(figure: Figure) -> list[str]:
    theirs, ours = (spread(side).scaled(1000).text(0) for side in (figure.peer, figure.ours))
    verdict = "**missed**" if figure.missed else "met"
    goal = f"at most {figure.goal:g}"
    return [
        figure.title,
        figure.peer_name,
        figure.ratio.text(2),
        goal,
        verdict,
        ours,
        theirs,
        str(len(figure.ours)),
    ]


def _against(title: str, goal: float, found: Spread, *, digits: int = 2) -> list[str]:
    verdict = "**missed**" if found.median > goal else "met"
    return [title, found.text(digits), f"at most {goal:g}", verdict]


def _phases(phases: Mapping[str, float]) -> str:
    whole = sum(phases.values())
    rows = [[name, f"{took:.0f}", f"{took / whole:.0%}"] for name, took in phases.items()]
    return _table(["phase", "ms", "share"], rows)


def _cells(many: Many) -> list[str]:
    reading, rendering = (spread(values).text(2) for values in (many.reading, many.rendering))
    floor, times = spread(many.floor).text(2), ratios(many.reading, many.floor).text(2)
    return [many.form, f"{many.machines:,}", floor, reading, times, rendering, spread(many.total).text(2)]


def _many(rows: Sequence[Many]) -> Iterator[str]:
    yield "## 1, 100 and 1,000 machines in one lab file\n\n"
    goals = []
    for form in dict.fromkeys(row.form for row in rows):
        _, hundred, thousand = (row for row in rows if row.form == form)
        goals.append(_against(f"{form}: ms a machine of 1,000", MS_A_MACHINE, spread(thousand.total)))
        growth = ratios(thousand.total, hundred.total)
        goals.append(_against(f"{form}: a machine of 1,000 by one of 100", LINEAR, growth))
    yield _table(["figure", "median (range)", "goal", "verdict"], goals)
    yield "\nMilliseconds a machine; the floor is the YAML reader (ruamel.yaml's composer) alone on the same text.\n\n"
    head = [
        "lab file",
        "machines",
        "floor",
        "reading",
        "reading by floor",
        "rendering XML",
        "reading and rendering",
    ]
    yield _table(head, [_cells(row) for row in rows])
    yield "\nWhat a machine's milliseconds go into (medians, each step measured by itself):\n\n"
    parts = [[row.form, f"{row.machines:,}", *(f"{part:.3f}" for part in row.parts.values())] for row in rows]
    yield _table(["lab file", "machines", *rows[0].parts], parts)


def _up(found: BringUp) -> Iterator[str]:
    yield f"## What `up` goes into\n\n{_missed([found.figure])}\n\n"
    yield _phases(found.phases)
    by_hand = statistics.median(found.figure.peer) * 1000
    yield f"\nBy hand, from starting QEMU to DRIVER_OK: {by_hand:.0f} ms.\n"


def _missed(figures: Sequence[Figure]) -> str:
    return "The goal is missed." if any(figure.missed for figure in figures) else "The goal is met."


def results(about: Mapping[str, str], cold: Cold, many: Sequence[Many], up: BringUp) -> str:
    """The whole document."""
    head = ["ours", "peer", "ratio", "goal", "verdict", "ours, ms", "peer, ms", "pairs"]
    bare = ", ".join(f"{name} {took:.0f} ms" for name, took in cold.interpreters.items())
    return "\n".join(
        (
            _INTRO,
            _table(["machine and versions", ""], [list(row) for row in about.items()]),
            "## Against peers\n",
            _table(head, [_row(figure) for figure in (*cold.figures, up.figure)]),
            f"The floor under both sides of the cold commands is an empty program: {bare}.\n",
            f"## What a cold render goes into\n\n{_missed(cold.figures[1:])}\n",
            _phases(cold.phases),
            "".join(_many(many)),
            "".join(_up(up)),
        )
    )
