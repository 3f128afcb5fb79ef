"""Parses `tc -json qdisc show`: the queueing disciplines that cut large frames into segments."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class QueueingRead:
    """By device, how its queueing discipline cuts large frames; or why that could not be read."""

    devices: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


_WHOLE = 65536
"""Bytes of the largest frame that is not of Big TCP."""


def parse_cutting(text: str) -> Mapping[str, str]:
    """By device, in words, the queueing discipline that cuts what is sent by it; devices without one are left out.

    :raise UnreadableError: when the text is not what `tc -json` prints.
    """
    found: dict[str, list[str]] = defaultdict(list)
    try:
        for row in parse_json(text or "[]"):
            if row and (words := _cuts(str(row["kind"]), row.get("options") or {})):
                found[str(row["dev"])].append(words)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableError("tc's queueing disciplines", text) from error
    return {device: ", ".join(words) for device, words in found.items()}


def _cuts(kind: str, options: Mapping[str, Any]) -> str:
    """How a discipline cuts large frames; empty where it does not.

    tbf segments what exceeds its burst (net/sched/sch_tbf.c, tbf_enqueue), cake all by default (sch_cake.c,
    CAKE_FLAG_SPLIT_GSO).
    """
    if kind == "tbf" and (burst := int(options.get("burst", _WHOLE))) < _WHOLE:
        return f"tbf with a burst of {burst} bytes"
    if kind == "cake" and options.get("split_gso", True) is True:
        return "cake with split-gso"
    return ""
