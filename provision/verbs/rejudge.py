"""`check --from`: the same check again, on evidence that `check --save` kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.runtime.errors import RequestError
from provision.runtime.parallel import side_by_side
from provision.verbs.check import Look, check
from provision.verify.collect.source import bare_source, domain_source, every_source, lab_source
from provision.verify.saved.kept_lab import restored_lab
from provision.verify.saved.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.runtime.parallel import Outcome
    from provision.verify.collect.source import MachineSource
    from provision.verify.judge.verdict import NicVerdict
    from provision.verify.saved.files import Saved


def judge_saved(saved: Saved) -> list[Outcome[list[NicVerdict]]]:
    """The verdicts on what was checked then, by host; with what was missing for a host where something was."""
    asked = saved.request
    look = Look(monitor=asked.monitor, observe=asked.observe, guest=asked.guest)
    sources = _sources(saved)

    def judged(host: str) -> list[NicVerdict]:
        return check(replace(sources[host](), wait=lambda _: None), look)  # nothing happens in evidence

    return side_by_side(list(sources), judged)


def _every(replay: Replay, host: str, *, monitor: bool) -> Callable[[], MachineSource]:
    return lambda: every_source(replay, host, monitor=monitor)


def _sources(saved: Saved) -> dict[str, Callable[[], MachineSource]]:
    """What was asked then, by host; a source is made where its errors are told of its host alone."""
    asked, replay = saved.request, Replay(saved.rows, saved.rscvm)
    if asked.qmp:
        return {asked.host: lambda: bare_source(replay, asked.host, asked.qmp)}
    if asked.hosts:
        return {host: _every(replay, host, monitor=asked.monitor) for host in asked.hosts}
    if asked.lab is None:
        return {asked.host: lambda: domain_source(replay, asked.host, asked.names, monitor=asked.monitor)}
    lab = restored_lab(asked.lab)
    hosts: dict[str, list[str]] = {}
    for name in asked.names or lab.machines:
        if name not in lab.machines:
            raise RequestError(f"the evidence's lab has no machine {name}")
        hosts.setdefault(lab.machines[name].host, []).append(name)

    def source(host: str) -> Callable[[], MachineSource]:
        return lambda: lab_source(replay, lab, host, hosts[host], monitor=asked.monitor)

    return {host: source(host) for host in hosts}
