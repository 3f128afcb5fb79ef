"""What `make bench` takes apart is found under the names that it looks for."""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

from bench.phases import IMPORTS, measured
from bench.reach import PHASES

PLACES = [place for places in PHASES.values() for place in places]
EXAMPLE = Path(__file__).parent.parent / "examples" / "demo.yaml"


@pytest.mark.parametrize("place", PLACES)
def test_every_phase_of_an_apply_is_a_function_that_is_there(place: str) -> None:
    module, _, path = place.partition(":")

    assert callable(reduce(getattr, path.split("."), import_module(module)))


def test_the_phases_of_a_render_are_walked_through() -> None:
    assert measured(str(EXAMPLE), "demo").keys() > IMPORTS.keys()
