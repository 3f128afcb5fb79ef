"""Parses what a domain says of its processor: Hyper-V, features asked for outright, the TSC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_tree import attribute
from provision.tables.cpu_features import CPU_FEATURES
from provision.tables.enlightenments import ENLIGHTENMENTS

if TYPE_CHECKING:
    from lxml.etree import _Element


@dataclass(frozen=True, slots=True)
class DomainProcessor:
    """What of a domain's processor depends on the host that it was made for."""

    enlightenments: frozenset[str] = frozenset()
    """Names of the table's rows that are on."""
    features: frozenset[str] = frozenset()
    """The table's features that it asks for outright."""
    tsc: int | None = None
    """The TSC's frequency in Hz, where it says one."""


def parse_processor(root: _Element) -> DomainProcessor:
    """The processor out of a domain's tree."""
    rows = {
        row.name
        for row in ENLIGHTENMENTS
        if (
            attribute(root, f"clock/timer[@name='{row.timer}']", "present") == "yes"
            if row.timer
            else attribute(root, "/".join(["features/hyperv", *filter(None, [row.within]), row.tag]), "state")
            == "on"
        )
    }
    asked = {
        str(row.get("name"))
        for row in root.iterfind("cpu/feature")
        if row.get("policy") in ("require", "force")
    }
    tsc = attribute(root, "clock/timer[@name='tsc']", "frequency")
    return DomainProcessor(
        frozenset(rows),
        frozenset(asked & {row.name for row in CPU_FEATURES}),
        int(tsc) if re.fullmatch("[1-9][0-9]{0,11}", tsc) else None,
    )
