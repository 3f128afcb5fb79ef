"""Parses what QEMU's command line says of the machine's processors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import options, properties

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COUNT = re.compile("[1-9][0-9]{0,4}")
_LEVELS = ("sockets", "dies", "clusters", "cores", "threads")


@dataclass(frozen=True, slots=True)
class ArgumentMachine:
    """A machine as the command line has it."""

    vcpus: int | None = None
    """As many as it may have; None where that cannot be told."""
    cores: int | None = None


def parse_machine(argv: Sequence[str]) -> ArgumentMachine:
    """The machine out of a QEMU's arguments; nothing of a process whose arguments are not seen."""
    if not argv:
        return ArgumentMachine()
    laid: dict[str, str] = {}
    for text in options(argv, "smp"):
        laid |= properties(text, "cpus")
    vcpus = _vcpus(laid)
    return ArgumentMachine(vcpus, vcpus // _count(laid, "threads") if vcpus else None)


def _vcpus(laid: Mapping[str, str]) -> int | None:
    """As QEMU counts them: what is said outright, else what its topology comes to (hw/core/machine-smp.c)."""
    for name in ("maxcpus", "cpus"):
        if name in laid:
            return int(laid[name]) if _COUNT.fullmatch(laid[name]) else None
    product = 1
    for level in _LEVELS:
        product *= _count(laid, level)
    return product


def _count(laid: Mapping[str, str], level: str) -> int:
    words = laid.get(level, "1")
    return int(words) if _COUNT.fullmatch(words) else 1
