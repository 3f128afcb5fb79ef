"""One `rscvm apply` on one host, phase by phase: run as a program of its own, prints milliseconds as JSON last.

Each phase is a function of ours, whose time is charged to it alone: what a phase within it takes is that one's.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PHASES = {
    "read the lab file": ("provision.cli.apply:read_lab",),
    "`ssh -G`": ("provision.edges.ssh.host:route_to",),
    "TCP, key exchange": ("provision.edges.ssh.host:Line", "provision.edges.ssh.greeting:greeted"),
    "authentication": ("provision.edges.ssh.login:_let_in",),
    "start the shell that takes the lock": ("provision.edges.ssh.host:SshHost._become",),
    "take the lock": ("provision.edges.shell:_Shell.said_first",),
    "read the host": ("provision.verbs.apply:read_host",),
    "note, arm the host's own undo, set": ("provision.host.apply.transaction:run_steps",),
    "read back": ("provision.host.apply.transaction:_not_as_wanted",),
    "disarm, and the second note": ("provision.host.apply.transaction:_take_guarded", "provision.verbs.apply:apply_plan_or_roll_back"),
    "let go of the lock, hang up": ("provision.edges.shell:ShellHost.close", "provision.edges.ssh.host:SshHost.close"),
}  # fmt: skip
_IMPORTED = ("provision.edges.ssh.paramiko_import", "provision.lab.load", "provision.cli.up", *dict.fromkeys(
    where.partition(":")[0] for places in PHASES.values() for where in places
))  # fmt: skip


class Stopwatch:
    """Charges time to what runs innermost."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self._open = ["the rest"]
        self._since = time.perf_counter()

    def charge(self) -> None:
        """Charge what has passed to what runs."""
        now = time.perf_counter()
        self.found[self._open[-1]] = self.found.get(self._open[-1], 0.0) + (now - self._since) * 1000
        self._since = now

    def watched(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time charged to a phase."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.charge()
            self._open.append(phase)
            try:
                return function(*arguments, **options)
            finally:
                self.charge()
                self._open.pop()

        return call


def _replace(watch: Stopwatch, phase: str, where: str) -> None:
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    setattr(owner, name, watch.watched(phase, getattr(owner, name)))


def measured(path: str) -> dict[str, float]:
    """Milliseconds of each phase, by its name, in the order of the table."""
    watch = Stopwatch()
    imports = watch.watched("imports", lambda: [import_module(name) for name in _IMPORTED])
    imports()
    for phase, places in PHASES.items():
        for where in places:
            _replace(watch, phase, where)
    status = import_module("provision.cli").run(["apply", path])
    watch.charge()
    if status or (idle := [phase for phase in PHASES if phase not in watch.found]):
        raise SystemExit(status or f"nothing was done in: {', '.join(idle)}")
    return {phase: watch.found[phase] for phase in ("imports", *PHASES, "the rest")}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1])))
