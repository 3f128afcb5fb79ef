"""The page of `check --html`, and what it tells of the hosts that were asked."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.edges.uri import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from provision.api.saved import Tools
    from provision.verify.collect.source import MachineSource
    from provision.verify.judge.verdict import NicVerdict

_CONNECT = "--connect "


@dataclass(frozen=True, slots=True)
class Page:
    """What is told of the hosts, by name, filled in while they are asked."""

    tools: Tools = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    """How their machines are reached: a URI, a lab file."""

    def note(self, sources: Mapping[str, MachineSource]) -> None:
        """Take from where it is that is asked; this host also by its own name."""
        for name, source in sources.items():
            own = f"host {platform.node()}" if source.host == LOCAL else ""
            how = " ".join(source.reached)
            way = how.removeprefix(_CONNECT) if how.startswith(_CONNECT) else how and f"lab file {how}"
            self.ways[name] = "; ".join(filter(None, (own, way)))

    def html(
        self, verdicts: Sequence[NicVerdict], when: datetime, errors: Mapping[str, str], nothing: str
    ) -> str:
        """The page; `errors` are the hosts of which there is no verdict, `nothing` is why there is no NIC at all."""
        from importlib.metadata import version

        from provision.verify.report.about import host_lines
        from provision.verify.report.html import Beside, as_html

        hosts = host_lines(self.ways, self.tools, verdicts)
        beside = Beside(f"rscvm {version('rscvm')} check", hosts, nothing)
        return as_html(verdicts, when=when, title="rscvm check", errors=errors, beside=beside)
