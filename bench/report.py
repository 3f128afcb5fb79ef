"""From measurements to Markdown."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import Spread, ratios, spread
from bench.knobs import KNOB_HEAD, agreement, knob_rows
from bench.remote import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.bring_up import BringUp
    from bench.cold import Cold
    from bench.compare import Figure
    from bench.fleet import OnFleet, Side
    from bench.knobs import Study
    from bench.many import Many
    from bench.remote import Remote
    from bench.taps import Taps

MS_A_MACHINE = 2.0
ENFORCED = 50.0
"""Milliseconds until `tx` is off again, on this machine."""
LINEAR = 1.2
"""How much dearer a machine may be among 1,000 than among 100 and still be called linear."""

_INTRO = """# Results

Written by `make bench`; how it measures is in [README.md](README.md). A ratio is ours by the peer's, taken pair
by pair from runs of one round; each cell has the median and, in brackets, the range. Below 1 we are faster.

Absolute times are only there for scale: of how busy the machine was, only the load before is known.
"""
_LIBRARIES = ("rscvm", "click", "pydantic", "ruamel.yaml", "jinja2", "lxml", "rich", "paramiko")
_PEERS = ("pyinfra", "ansible-core")


def _said(*argv: str) -> str:
    """The version in the first line that a program says."""
    words = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[0].split()
    return next(word for word in words if word[0].isdigit())


def _openssh() -> str:
    """What it says goes to standard error."""
    said = subprocess.run(("ssh", "-V"), capture_output=True, text=True, check=True).stderr
    return said.split(",")[0].removeprefix("OpenSSH_")


def _peer(name: str) -> str:
    """The version of a peer, which has an environment of its own."""
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    return _said(str(BIN / "python"), "-c", ask, name)


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
        **{name: _peer(name) for name in _PEERS},
        "OpenSSH": _openssh(),
        "ethtool": _said("ethtool", "--version"),
        "virt-install": _said("virt-install", "--version"),
        "libvirt": _said("libvirtd", "--version"),
        "QEMU": _said("qemu-system-x86_64", "--version"),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(figure: Figure) -> list[str]:
    theirs, ours = (spread(side).scaled(1000).text(0) for side in (figure.peer, figure.ours))
    goal, verdict = "none", ""
    if figure.goal is not None:
        goal, verdict = f"at most {figure.goal:.3g}", "**missed**" if figure.missed else "met"
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


def _cold(found: Cold) -> Iterator[str]:
    bare = ", ".join(f"{name} {took:.0f} ms" for name, took in found.interpreters.items())
    yield f"The floor under both sides of the cold commands is an empty program: {bare}.\n\n"
    yield f"## What a cold render goes into\n\n{_missed(found.figures[1:])}\n\n"
    yield _phases(found.phases)


def _hosts(found: Sequence[Remote]) -> Iterator[str]:
    """Start-up, and what an `apply` on one host goes into."""
    yield f"## What `apply` goes into\n\n{_missed([figure for one in found for figure in one.figures])}\n\n"
    took = spread([value for one in found for value in one.startup]).scaled(1000).text(0)
    yield f"Start of the interpreter and all imports, in a process of its own: {took} ms.\n"
    yield "\nOne `apply` on one host; each phase is charged with its own time only:\n\n"
    yield _phases(found[0].phases)


def _enforce(found: Sequence[Figure]) -> Iterator[str]:
    """How long `tx` was on: the goal is of what is measured here."""
    yield "## How soon `hck enforce` has `tx` off again\n\n"
    here, *_ = found
    goal = _against(f"{here.title}: ms", ENFORCED, spread(here.ours).scaled(1000), digits=1)
    yield _table(["figure", "median (range)", "goal", "verdict"], [goal])


def _knobs(study: Study) -> Iterator[str]:
    """What RSC is worth to the demo guest, and by what that changes."""
    yield "## What RSC is worth to the demo guest\n\n"
    yield "By `rscvm bench --reference`, no peer: what it tells of KVM is in the README here.\n\n"
    yield _table(KNOB_HEAD, [*knob_rows(study)])
    yield f"\nThe first machine: {agreement(study)}\n\nWhat bounds each, by its threads:\n\n"
    yield "".join(f"- {one.name}: {one.limit}\n" for one in study.turned)


def _of_side(side: Side, hosts: int) -> list[str]:
    took = spread(side.seconds)
    each = f"{took.median / hosts:.2f}"
    return [took.text(1), each, f"{side.mib:.0f}", f"{side.mib / hosts:.0f}"]


def _fleet(found: Sequence[OnFleet]) -> Iterator[str]:
    """How time and memory grow with the hosts."""
    yield "## `audit.yml` and `host.yml` on many hosts\n\n"
    yield f"{_missed([figure for one in found for figure in one.figures])}\n\n"
    if len(found) > 1:
        fewer, more = found[-2:]
        sizes, goals = f"a host of {more.hosts} by one of {fewer.hosts}", []
        for name, many, few in (("rscvm", more.ours, fewer.ours), ("plain tasks", more.peer, fewer.peer)):
            usual = spread(few.seconds).median  # the larger fleet has fewer rounds
            growth = spread([took / usual for took in many.seconds]).scaled(fewer.hosts / more.hosts)
            goals.append(_against(f"{name}: time of {sizes}", LINEAR, growth))
        yield _table(["figure", "median (range)", "goal", "verdict"], goals) + "\n"
    heads = [
        f"{side}: {what}"
        for side in ("rscvm", "plain tasks")
        for what in ("s", "s a host", "MiB", "MiB a host")
    ]
    rows = [[f"{one.hosts}", *_of_side(one.ours, one.hosts), *_of_side(one.peer, one.hosts)] for one in found]
    yield _table(["hosts", *heads], rows)
    yield "\n![Time and memory by the number of hosts](fleet.svg)\n"


def _missed(figures: Sequence[Figure]) -> str:
    missed = sum(figure.missed for figure in figures)
    if missed and len(figures) > 1:
        held = [figure for figure in figures if figure.goal is not None]
        return f"{missed} of {len(held)} goals are missed." if len(held) > 1 else "The goal is missed."
    return "The goal is missed." if missed else "The goal is met."


@dataclass
class Found:
    """What was measured; parts that were not are left out of the document."""

    cold: Cold | None = None
    many: Sequence[Many] = ()
    up: BringUp | None = None
    hosts: Sequence[Remote] = ()
    taps: Taps | None = None
    domains: Sequence[Figure] = ()
    guests: Sequence[Figure] = ()
    enforce: Sequence[Figure] = ()
    fleet: Sequence[OnFleet] = ()
    knobs: Study | None = None

    def figures(self) -> list[Figure]:
        """All that is held against peers."""
        figures = [*self.cold.figures] if self.cold else []
        figures += [self.up.figure] if self.up else []
        figures += [figure for one in self.hosts for figure in one.figures]
        figures += [*(self.taps.figures if self.taps else ()), *self.domains, *self.guests, *self.enforce]
        return [*figures, *(figure for one in self.fleet for figure in one.figures)]


def _sections(found: Found) -> Iterator[str]:
    yield from _cold(found.cold) if found.cold else ()
    yield from ("\n", *_many(found.many)) if found.many else ()
    yield from ("\n", *_up(found.up)) if found.up else ()
    yield from ("\n", *_hosts(found.hosts)) if found.hosts else ()
    if found.taps:
        yield f"\nThe features of the TAPs are {found.taps.kib:.0f} KiB of JSON.\n"
    yield from ("\n", *_enforce(found.enforce)) if found.enforce else ()
    yield from ("\n", *_fleet(found.fleet)) if found.fleet else ()
    yield from ("\n", *_knobs(found.knobs)) if found.knobs else ()


def results(about: Mapping[str, str], found: Found) -> str:
    """The whole document."""
    head = ["ours", "peer", "ratio", "goal", "verdict", "ours, ms", "peer, ms", "pairs"]
    table = _table(head, [_row(figure) for figure in found.figures()])
    return "\n".join(
        (
            _INTRO,
            _table(["machine and versions", ""], [list(row) for row in about.items()]),
            f"## Against peers\n\n{table}" if found.figures() else "",
            "".join(_sections(found)),
        )
    )
