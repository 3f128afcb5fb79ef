"""A command's work on each of several hosts, and what is said of those that failed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from provision.cli.output import complain
from provision.runtime.errors import UnforeseenError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.cli.output import Output
    from provision.edges.wiring import RealEdges
    from provision.host.apply.session import HostSession
    from provision.lab.spec import Host, Lab
    from provision.runtime.command import Say
    from provision.runtime.parallel import Outcome
    from provision.runtime.places import Target


T = TypeVar("T")


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
    from provision.lab.spec import Host

    hosts = {"local": Host(), **(lab.hosts if lab else {})}
    targets = {name: _target(name, host) for name, host in hosts.items()}
    return RealEdges(targets, output.say if output.verbose else None)


def _target(name: str, host: Host) -> Target:
    from provision.runtime.places import Target

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
    output: Output, lab: Lab, hosts: Sequence[str], command: str, work: Callable[[HostSession, Say], T]
) -> list[Outcome[T]]:
    """Do a command's work on each of these hosts; progress says whose it is where there are several.

    Of a single host its error is raised; of several, those that failed are told beside what the others did.
    """
    from provision.cli.progress import progress
    from provision.runtime.parallel import on_each

    who = whoami(command)

    def say(host: str) -> Say:
        return output.say if len(hosts) == 1 else lambda line: output.say(f"{host}: {line}")

    def done(host: str) -> T:
        if len(hosts) > 1:  # a single one is worked on by the main thread, where connecting is to be shielded
            edges.reach(host)
        from provision.host.apply.session import HostSession  # with all that works on it, while hosts answer

        value = work(HostSession(edges, lab, host, who), say(host))
        ended.append(host)
        return value

    ended: list[str] = []
    try:
        with progress(output), edges_of(lab, output) as edges:
            outcomes = on_each(hosts, done)
    except KeyboardInterrupt:
        for host in ended if len(hosts) > 1 else ():
            output.say(f"{host}: was through before the interruption, and stays so")
        raise
    return raise_or_tell(outcomes)


def raise_or_tell(outcomes: list[Outcome[T]]) -> list[Outcome[T]]:
    """The outcomes, once what failed has been told: of a single host its error is raised."""
    for outcome in outcomes:
        if isinstance(outcome.error, UnforeseenError) and os.environ.get("RSCVM_DEBUG") == "1":
            raise outcome.error
        if outcome.error is not None and len(outcomes) == 1:
            raise outcome.error
        if outcome.error is not None:
            named = "" if outcome.error.names_host else f"{outcome.host}: "
            complain(f"{named}{outcome.error}", hint=outcome.error.hint)
    return outcomes


def worst(outcomes: Sequence[Outcome[T]], *statuses: int) -> int:
    """The exit status of several: 2 before 3 before 1 before 4 before 0."""
    found = {0, *statuses, *(outcome.error.status for outcome in outcomes if outcome.error is not None)}
    return next(status for status in (2, 3, 1, 4, 0) if status in found)


def errors_of(outcomes: Sequence[Outcome[T]]) -> dict[str, object]:
    """The failed hosts of a JSON document; nothing where none failed."""
    rows = [
        {"host": outcome.host, "message": str(outcome.error), "hint": outcome.error.hint}
        for outcome in outcomes
        if outcome.error is not None
    ]
    return {"errors": rows} if rows else {}
