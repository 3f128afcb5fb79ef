"""From a command line's LAB and MACHINE to a lab and its machines' names by host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from provision.cli.output import complain
from provision.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.cli.output import Output
    from provision.command import Say, Target
    from provision.edges.wiring import RealEdges
    from provision.fleet import Outcome
    from provision.site import Site
    from provision.spec import Host, Lab

T = TypeVar("T")


def chosen(lab: Lab, names: Sequence[str]) -> list[str]:
    """The machines that were named, or all, in the lab file's order.

    :raise RequestError: when a name is no machine's.
    """
    for name in names:
        if name not in lab.machines:
            known = ", ".join(lab.machines) or "none"
            raise RequestError(f"no machine {name} in this lab file", hint=f"its machines: {known}")
    return [name for name in lab.machines if not names or name in names]


def by_host(lab: Lab, names: Sequence[str]) -> dict[str, list[str]]:
    """The machines of each host that has any of them, in the lab file's order."""
    hosts: dict[str, list[str]] = {}
    for name in names:
        hosts.setdefault(lab.machines[name].host, []).append(name)
    return hosts


def all_hosts(lab: Lab) -> dict[str, list[str]]:
    """Every host of the lab file with its machines; `local` only where it is listed or has one."""
    return {**{name: [] for name in lab.hosts}, **by_host(lab, list(lab.machines))}


def chosen_hosts(lab: Lab | None, names: Sequence[str]) -> list[str]:
    """The hosts that were named, each once, or all of the lab file's.

    :raise RequestError: when a name is no host's; without a lab file there is only this machine.
    """
    for name in names:
        if name != "local" and (lab is None or name not in lab.hosts):
            where = " in this lab file" if lab else ""
            hint = f"its hosts: {', '.join(lab.hosts) or 'none'}" if lab else "name a lab file by -f"
            raise RequestError(f"no host {name}{where}", hint=hint)
    return list(dict.fromkeys(names or (all_hosts(lab) if lab else ())))


def whoami(command: str) -> str:
    """Who runs this command, for others to read in the lab's lock."""
    import getpass
    import platform
    import time

    now = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{getpass.getuser()}@{platform.node()}: rscvm {command}, process {os.getpid()}, since {now}"


def edges_of(lab: Lab | None, output: Output) -> RealEdges:
    """The real edges, with each host as the lab file has it; -v shows their commands."""
    from provision.edges.wiring import RealEdges
    from provision.spec import Host

    hosts = {"local": Host(), **(lab.hosts if lab else {})}
    targets = {name: _target(name, host) for name, host in hosts.items()}
    return RealEdges(targets, output.say if output.verbose else None)


def _target(name: str, host: Host) -> Target:
    from provision.command import Target

    return Target(
        name=name,
        address=host.address or "",
        port=host.port,
        user=host.user or "",
        identity=host.identity or "",
        known_hosts=host.known_hosts or "",
        sudo=host.sudo,
        libvirt=host.libvirt,
    )


def on_hosts(
    output: Output, lab: Lab, hosts: Sequence[str], command: str, work: Callable[[Site, Say], T]
) -> list[Outcome[T]]:
    """Do a command's work on each of these hosts; progress says whose it is where there are several.

    Of a single host its error is raised; of several, those that failed are told beside what the others did.
    """
    from provision.fleet import on_each

    who = whoami(command)

    def say(host: str) -> Say:
        return output.say if len(hosts) == 1 else lambda line: output.say(f"{host}: {line}")

    def done(host: str) -> T:
        if len(hosts) > 1:  # a single one is worked on by the main thread, where connecting is to be shielded
            edges.reach(host)
        from provision.site import Site  # with all that works on it, while hosts answer

        value = work(Site(edges, lab, host, who), say(host))
        ended.append(host)
        return value

    ended: list[str] = []
    try:
        with edges_of(lab, output) as edges:
            outcomes = on_each(hosts, done)
    except KeyboardInterrupt:
        for host in ended if len(hosts) > 1 else ():
            output.say(f"{host}: was through before the interruption, and stays so")
        raise
    return told(outcomes)


def told(outcomes: list[Outcome[T]]) -> list[Outcome[T]]:
    """The outcomes, once what failed has been told: of a single host its error is raised."""
    for outcome in outcomes:
        if outcome.error is not None and len(outcomes) == 1:
            raise outcome.error
        if outcome.error is not None:
            named = str(outcome.error).startswith((f"{outcome.host}:", f"host {outcome.host}"))
            complain(f"{'' if named else f'{outcome.host}: '}{outcome.error}", hint=outcome.error.hint)
    return outcomes


def worst(outcomes: Sequence[Outcome[T]], status: int = 0) -> int:
    """The exit status of several: 2 before 3 before 1 before 4 before 0."""
    found = {status, *(outcome.error.status for outcome in outcomes if outcome.error is not None)}
    return next(status for status in (2, 3, 1, 4, 0) if status in found)


def errors_of(outcomes: Sequence[Outcome[T]]) -> dict[str, object]:
    """The failed hosts of a JSON document; nothing where none failed."""
    rows = [
        {"host": outcome.host, "message": str(outcome.error), "hint": outcome.error.hint}
        for outcome in outcomes
        if outcome.error is not None
    ]
    return {"errors": rows} if rows else {}
