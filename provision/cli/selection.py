"""LAB, MACHINE and HOST of a command line to the lab's machines and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.errors import RequestError
from provision.runtime.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.lab.spec import Lab


def chosen(lab: Lab, names: Sequence[str]) -> list[str]:
    """The machines that were named, or are on a host that was, or all, in the lab file's order.

    :raise RequestError: when a name is no machine's.
    """
    meant = [machine(lab, name) for name in without_hosts(lab, names)]
    return [name for name in lab.machines if not names or name in meant]


def machine(lab: Lab, name: str) -> str:
    """The machine of a name.

    :raise RequestError: when there is none.
    """
    if name not in lab.machines:
        known = ", ".join(lab.machines) or "none"
        hint = f"{did_you_mean(name, [*lab.machines, *lab.hosts])}its machines: {known}"
        raise RequestError(f"no machine {name} in this lab file", hint=hint)
    return name


def without_hosts(lab: Lab, names: Sequence[str]) -> list[str]:
    """These names, each host's replaced by its machines'."""
    hosts = by_host(lab, list(lab.machines))
    return [
        each for name in names for each in (hosts.get(name) if name not in lab.machines else None) or [name]
    ]


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
            raise _no_host(lab, name)
    return list(dict.fromkeys(names or (all_hosts(lab) if lab else ())))


def _no_host(lab: Lab | None, name: str) -> RequestError:
    if lab is None:
        return RequestError(f"no host {name}", hint="name a lab file by -f")
    if name in lab.machines:
        return RequestError(f"{name} is a machine", hint=f"its host: {lab.machines[name].host}")
    hint = f"{did_you_mean(name, lab.hosts)}its hosts: {', '.join(lab.hosts) or 'none'}"
    return RequestError(f"no host {name} in this lab file", hint=hint)
