"""Hostile inputs for everything that reads what others say: captured answers, mutated; each is read, or refused in words.

`python -m tests.hostile_inputs --inputs 10000 --seed 1` tells what it did; a fault names the target, and the seed by
which it is had again.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.runtime.errors import RscvmError
from tests.hostile_targets import targets

MOST = 512 << 20
"""Bytes in memory, for the whole of the run."""
SLOWEST = 10.0
"""Seconds of this process alone for one input."""

LONGEST = 2000
"""Characters of a line in a refusal."""

WORDS = (
    "", "\x1b[2J\x1b]0;x\x07", "\u202e\u2028\u0085", "\nrscvm: all is ready\n", "9" * 5000, "-1", "1e999", "NaN", "\0",
    "\x9b31m", "../../../etc/passwd", "/", "%s%n{0.__class__}", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "]]>", "&#0;", "a" * 50_000,
    "[" * 3000, "{" * 3000, "\ud800", "\N{FULLWIDTH DIGIT SEVEN}", "$(reboot)", "`reboot`", "'\"", "0x" + "f" * 400,
    "true", "null", "\N{FULLWIDTH LATIN SMALL LETTER T}ap0", "é" * 300, "\t\t", "::", "=", ",,", "-netdev", "tap,ifname=../x", "id=\x1b",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 10**300, 1.5, float("inf"), "", [], {}, [[]], [{}], {"": None}, *WORDS[:20],
)  # fmt: skip


def _nested(deep: int) -> Any:
    found: Any = []
    for _ in range(deep):
        found = [found]
    return found


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON document with each of its keys."""
    waiting = [document]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        for key in keys:
            yield here, key
            waiting.append(here[key])


def mutated_json(document: Any, draw: random.Random) -> Any:
    """The document with some of its values replaced, doubled or left out."""
    found = json.loads(json.dumps({"": document}))
    places = list(_places(found))
    for _ in range(draw.randint(1, 3)):
        here, key = draw.choice(places)
        what = draw.randrange(5)
        if (isinstance(here, dict) and key not in here) or (isinstance(here, list) and key >= len(here)):
            continue
        if what == 0 and isinstance(here, dict) and key:
            del here[key]
        elif what == 1 and isinstance(here, dict) and key:
            here[draw.choice(WORDS)] = here.pop(key)
        elif what == 2 and isinstance(here, list):
            here *= 50
        elif what == 3:
            here[key] = _nested(draw.choice((5, 400)))
        else:
            here[key] = draw.choice(VALUES)
    return found[""]


def mutated_text(text: str, draw: random.Random) -> str:
    """The text with pieces replaced, doubled, cut or put elsewhere; JSON also by its values."""
    if draw.random() < 0.6:
        try:
            return json.dumps(mutated_json(json.loads(text), draw), ensure_ascii=draw.random() < 0.5)
        except ValueError:
            pass
    if draw.random() < 0.3 and re.fullmatch("[A-Za-z0-9+/=]+", text.strip()):
        with suppress(ValueError):
            inner = base64.b64decode(text).decode("utf-8", "replace")
            return base64.b64encode(mutated_text(inner, draw).encode("utf-8", "replace")).decode()
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice((0, 1, 3, 20, 200)))
        piece = draw.choice(
            (draw.choice(WORDS), text[start:end] * draw.choice((0, 2, 300)), text[end : end + 40])
        )
        text = text[:start] + piece + text[end:]
    return text[: draw.choice((len(text), len(text), len(text) // 2))]


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, and by which input."""

    target: str
    number: int
    what: str


def faults(
    inputs: int, seed: int, told: dict[str, int], found: Mapping[str, Callable[[random.Random], Any]]
) -> Iterator[Fault]:
    """Every input of these targets that was neither read nor refused; `told` counts what became of them."""
    names = sorted(found)
    for number in range(inputs):
        name = names[number % len(names)]
        draw = random.Random(f"{seed}/{name}/{number}")  # noqa: S311 - to be had again
        began = time.process_time()
        try:
            found[name](draw)
            told["read"] += 1
        except RscvmError as error:
            told["refused"] += 1
            if (longest := max(map(len, f"{error}\n{error.hint}".split("\n")))) > LONGEST:
                yield Fault(name, number, f"a refusal with a line of {longest} characters")
        except Exception:  # noqa: BLE001 - what must not be
            yield Fault(name, number, traceback.format_exc(limit=-6))
        if (took := time.process_time() - began) > SLOWEST:
            yield Fault(name, number, f"{took:.1f} s")


def _peak() -> int:
    """Bytes that this process has had at most: getrusage() would tell those of the one that started it, were they more."""
    [line] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) << 10


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    found = targets(mutated_text)
    told = {"read": 0, "refused": 0}
    began, wrong = time.monotonic(), 0
    for fault in faults(asked.inputs, asked.seed, told, found):
        wrong += 1
        sys.stdout.write(f"{fault.target} {asked.seed}/{fault.number}: {fault.what}\n")
    peak = _peak()
    sys.stdout.write(
        f"{asked.inputs} inputs of {len(found)} kinds: {told['read']} read, {told['refused']} refused, {wrong} faults;"
        f" {time.monotonic() - began:.0f} s, peak {peak >> 20} MiB\n"
    )
    return int(bool(wrong) or peak > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
