"""LAB, MACHINE and HOST of a command line to the lab's machines and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.lab.spec import Lab


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
