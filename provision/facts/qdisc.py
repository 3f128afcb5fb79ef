"""Parses `tc -json qdisc show`: the queueing disciplines that cut large frames into segments."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provision.facts.ip import WHOLE
from provision.facts.iproute_json import parse_json
from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class QueueingRead:
    """By device, how its queueing discipline cuts large frames; or why that could not be read."""

    devices: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    """The same of a class alone: what its filters hand it is cut, and nothing else."""
    inward: frozenset[str] = frozenset()
    """Devices with a discipline for what comes in, whose filters may hand it to another device."""


_QUEUES = frozenset({"mq", "mqprio"})
"""Kinds that have a discipline for each of a device's queues, among which all is spread."""
_INWARD = frozenset({"ingress", "clsact"})
_WHOLE = WHOLE + 45 * 86
"""Bytes of the largest frame that is not of Big TCP, as queues count it: 45 segments, each with its headers, up to 86
bytes of Ethernet, IPv6 and TCP (net/core/dev.c, qdisc_pkt_len_init)."""


def parse_queueing(text: str) -> QueueingRead:
    """By device, in words, the queueing discipline that cuts what is sent by it; devices without one are left out.

    :raise UnreadableError: when the text is not what `tc -json` prints.
    """
    found: dict[str, list[str]] = defaultdict(list)
    classes: dict[str, list[str]] = defaultdict(list)
    inward = set()
    with reading("tc's queueing disciplines", text):
        rows = [row for row in parse_json(text or "[]") if row]
        whole = {str(row["dev"]) for row in rows if row.get("root") and row["kind"] in _QUEUES}
        for row in rows:
            kind, device = str(row["kind"]), str(row["dev"])
            if words := _cuts(kind, row.get("options") or {}):
                (found if "parent" not in row or device in whole else classes)[device].append(words)
            if kind in _INWARD:
                inward.add(device)
    told, of_classes = (
        {device: ", ".join(words) for device, words in each.items()} for each in (found, classes)
    )
    return QueueingRead(told, classes=of_classes, inward=frozenset(inward))


def _cuts(kind: str, options: Mapping[str, Any]) -> str:
    """How a discipline cuts large frames; empty where it does not.

    tbf segments what exceeds its burst or its peak rate's (net/sched/sch_tbf.c, tbf_enqueue), cake all by default
    (sch_cake.c, CAKE_FLAG_SPLIT_GSO).
    """
    if kind == "tbf":
        bursts = {name: int(options[name]) for name in ("burst", "minburst") if name in options}
        name = min(bursts, key=lambda each: bursts[each], default="")
        if name and bursts[name] < _WHOLE:
            return f"tbf with a {name} of {bursts[name]} bytes"
    if kind == "cake" and options.get("split_gso", True) is True:
        return "cake with split-gso"
    return ""
