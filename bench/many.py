"""Labs of 1, 100 and 1,000 machines: reading and rendering a machine, against the YAML reader alone."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from bench.compare import seconds, timed
from provision.lab.checks.machines import complaints
from provision.lab.derived import named_machines
from provision.lab.expand import expand_labs
from provision.lab.load import parse_lab
from provision.lab.spec import LabFile
from provision.lab.yaml_reader import read_yaml
from provision.render.machine import domain_xml
from provision.render.view import machine_view

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 100, 1000)
_NAME = "lab"


def written_out(machines: int) -> str:
    """Every machine with its own keys; two NICs, a disk."""
    return "version: 1\nmachines:\n" + "".join(
        f"""  vm{index}:
    guest: windows
    memory: 8GiB
    vcpus: 4
    disks:
      - image: /srv/images/win2022.qcow2
    nics:
      - bridge: br0
      - bridge: br1
        queues: 4
        rsc: off
"""
        for index in range(machines)
    )


def merged(machines: int) -> str:
    """Every machine by `<<` from the first, one key of which each overlays, as people write large files."""
    head, _, body = written_out(1).partition("  vm0:\n")
    return f"{head}  vm0: &base\n{body}" + "".join(
        f"  vm{index}:\n    <<: *base\n    memory: 4GiB\n" for index in range(1, machines)
    )


FORMS: dict[str, Callable[[int], str]] = {"written out": written_out, "by merge keys": merged}


@dataclass(frozen=True, slots=True)
class Many:
    """One form of lab file at one size; every list holds milliseconds a machine, one for each round."""

    form: str
    machines: int
    floor: tuple[float, ...]
    """The YAML reader alone."""
    reading: tuple[float, ...]
    rendering: tuple[float, ...]
    parts: dict[str, float]
    """Medians of what reading and rendering consist of."""

    @property
    def total(self) -> tuple[float, ...]:
        """Reading and rendering."""
        return tuple(map(sum, zip(self.reading, self.rendering, strict=True)))


def _parts(text: str) -> dict[str, float]:
    """Seconds of each step that `parse_lab` and a render consist of; the steps' own functions are called."""
    found: dict[str, float] = {}
    composed = seconds(lambda: list(YAML(typ="safe", pure=True).compose_all(text)))
    data, _, _ = read_yaml(text, {})
    found["YAML reader"] = composed
    found["our walk over its nodes"] = max(0.0, seconds(lambda: read_yaml(text, {})) - composed)
    found["pydantic"] = seconds(lambda: LabFile.model_validate(data))
    file = LabFile.model_validate(data)
    found["names and MACs"] = seconds(lambda: named_machines(_NAME, file))
    whole = expand_labs(_NAME, file)
    found["checks"] = seconds(lambda: list(complaints(_NAME, file, whole)))
    lab = parse_lab(text, f"{_NAME}.yaml", "/srv", {})
    found["views"] = seconds(lambda: [machine_view(lab, name) for name in lab.machines])
    views = [machine_view(lab, name) for name in lab.machines]
    found["template"] = seconds(lambda: [domain_xml(view) for view in views])
    return found


def _round(text: str) -> tuple[float, float, float]:
    """Seconds of the YAML reader alone, of reading, and of rendering."""
    floor = seconds(lambda: list(YAML(typ="safe", pure=True).compose_all(text)))
    lab, reading = timed(lambda: parse_lab(text, f"{_NAME}.yaml", "/srv", {}))
    rendering = seconds(lambda: [domain_xml(machine_view(lab, name)) for name in lab.machines])
    return floor, reading, rendering


def measure_many(times: int) -> list[Many]:
    """Every form at every size, the whole round so many times, so that sizes are interleaved as well."""
    texts = {(form, size): write(size) for form, write in FORMS.items() for size in SIZES}
    rounds: dict[tuple[str, int], list[tuple[float, float, float]]] = {key: [] for key in texts}
    parts: dict[tuple[str, int], list[dict[str, float]]] = {key: [] for key in texts}
    _round(written_out(10))  # a template is compiled once, and that is the cold render's cost
    for turn in range(times):
        for key, text in texts.items():
            rounds[key].append(_round(text))
            if turn % 3 == 0:
                parts[key].append(_parts(text))
    return [_summed(*key, rounds[key], parts[key]) for key in texts]


def _summed(
    form: str, size: int, rounds: list[tuple[float, float, float]], parts: list[dict[str, float]]
) -> Many:
    each = 1000 / size
    floor, reading, rendering = (
        tuple(value * each for value in column) for column in zip(*rounds, strict=True)
    )
    medians = {name: statistics.median(part[name] for part in parts) * each for name in parts[0]}
    return Many(form, size, floor, reading, rendering, medians)
