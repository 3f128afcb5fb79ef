"""A lab on one of its hosts, which every verb on a host is handed, and its lock."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.host.apply.deadman import fire_left_over_first
from provision.host.apply.lock import locked
from provision.lab.paths import LabPaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.protocols import Edges


@dataclass(frozen=True, slots=True)
class HostSession:
    """A lab on one of its hosts, within reach."""

    edges: Edges
    lab: Lab
    host: str
    who: str = "somebody"
    """Who works on it, for others to read."""

    @contextmanager
    def locked(self, say: Say) -> Iterator[None]:
        """Hold the lab's lock, with nothing left under way by a run that was cut off."""
        runner, paths = self.edges.host(self.host), LabPaths(self.lab.state_dir, self.lab.name)
        with locked(runner, paths, self.who):
            fire_left_over_first(self.edges, self.lab, self.host, say)
            yield
