"""What `make bench` takes apart is found under the names that it looks for."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest
from lxml import etree

from bench.compare import Figure
from bench.fleet import OnFleet, Side
from bench.phases import IMPORTS, measured
from bench.plot import plot
from bench.reach import PHASES
from bench.report import Found, results

ROOT = Path(__file__).parent.parent
PROGRAMS = re.findall(r"\$\(BIN\)/python -m ((?:bench|tests)\.\S+)", (ROOT / "Makefile").read_text())
PLACES = [place for places in PHASES.values() for place in places]
EXAMPLE = ROOT / "examples" / "demo.yaml"


@pytest.mark.parametrize("program", [*PROGRAMS, "tests.real.record"])
def test_what_make_runs_is_imported_without_the_paths_that_pytest_adds(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {program}"], cwd=ROOT, check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert {"bench.run", "tests.real.soak"} <= set(PROGRAMS)


@pytest.mark.parametrize("place", PLACES)
def test_every_phase_of_an_apply_is_a_function_that_is_there(place: str) -> None:
    module, _, path = place.partition(":")

    assert callable(reduce(getattr, path.split("."), import_module(module)))


def test_the_phases_of_a_render_are_walked_through() -> None:
    assert measured(str(EXAMPLE), "demo").keys() > IMPORTS.keys()


ON_FLEETS = [
    OnFleet(5, Side((1.0, 1.2, 1.1), 90.0), Side((5.0, 6.0, 5.5), 120.0), ()),
    OnFleet(20, Side((3.0, 3.2), 110.0), Side((20.0, 21.0), 200.0), ()),
    OnFleet(50, Side((8.0,), 150.0), Side((52.0,), 400.0), ()),
]
"""The larger the fleet, the fewer the rounds."""


def test_fleets_of_unlike_rounds_make_a_document() -> None:
    said = results({"machine": "here"}, Found(fleet=ON_FLEETS))

    assert "rscvm: time of a host of 50 by one of 20" in said
    assert "1.03" in said  # 8 / 50 by 3.1 / 20


def test_the_plot_is_xml_with_a_line_for_each_side() -> None:
    drawn = etree.fromstring(plot(ON_FLEETS).encode())

    assert drawn.tag.endswith("svg")
    assert {"rscvm", "plain tasks"} <= {str(text).strip() for text in drawn.itertext()}


def test_how_soon_a_tap_is_wire_like_again_is_held_against_its_goal() -> None:
    figure = Figure("here", "a loop", (0.05, 0.06, 0.04), (0.004, 0.06, 0.005))

    said = results({"machine": "here"}, Found(enforce=[figure]))

    assert "| here: ms | 5.0 (4.0 to 60.0) | at most 50 | met |" in said
    assert "0.12 (0.08 to 1.00)" in said
