"""What a shell may complete a word with: a lab's machines, hosts and NICs, domains of a libvirt here, URIs.

No other host is asked, nothing is started, and what cannot be told at once is left out.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from provision.cli.selection import all_hosts, by_host
from provision.lab.file import read_lab
from provision.runtime.errors import RscvmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    from provision.lab.spec import Lab

    _Candidates = Callable[[click.Context, str], list[str] | list[CompletionItem]]

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
"""What no shell reads anything into: a domain may have any name, and shells type what is completed as it is."""
_SYSTEM = "qemu:///system"


def complete_by_name(group: click.Group) -> None:
    """Let the parameters of all its commands be completed by what their names are for."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            complete_by_name(command)
        for parameter in command.params:
            if parameter.name in _BY_NAME:
                parameter.type = _Completed(_BY_NAME[parameter.name])


def _machine(context: click.Context, begun: str) -> list[str]:
    """Machines of the LAB that stands before."""
    lab = _lab(context)
    return _fitting(lab.machines, begun) if lab else []


def _machines(context: click.Context, begun: str) -> list[str]:
    """Machines of the LAB that stands before, and its hosts that have any, less those that stand there, too."""
    lab, said = _lab(context), _words(context, "machines", "names")
    there = (
        [*lab.machines, *(host for host in by_host(lab, list(lab.machines)) if host in lab.hosts)]
        if lab
        else []
    )
    return _fitting((name for name in there if name not in said), begun)


def _hosts(context: click.Context, begun: str) -> list[str]:
    """Hosts of the LAB that stands before."""
    lab, said = _lab(context), _words(context, "hosts")
    return _fitting((name for name in all_hosts(lab) if name not in said), begun) if lab else []


def _nics(context: click.Context, begun: str) -> list[str]:
    """NICs of the MACHINE of a LAB that stand before."""
    lab, said = _lab(context), (_words(context, "names") or context.args)[1:]
    machines = [lab.machines[name] for name in said if name in lab.machines] if lab else []
    return _fitting((nic.name for machine in machines for nic in machine.nics), begun)


def _domains(context: click.Context, begun: str) -> list[str]:
    """Domains of the URIs that stand before, or of the usual one, less those that stand there, too."""
    from provision.edges.libvirt.domain_names import domain_names

    uris = _words(context, *_URI) or [os.environ.get("LIBVIRT_DEFAULT_URI") or _SYSTEM]
    said = _words(context, "names")
    return _fitting((name for uri in uris for name in domain_names(uri) if name not in said), begun)


def _names(context: click.Context, begun: str) -> list[str] | list[CompletionItem]:
    """DOMAINs where a URI stands before; else a LAB, then its MACHINEs."""
    from click.shell_completion import CompletionItem

    if _words(context, *_URI):
        return _domains(context, begun)
    return _machines(context, begun) if _words(context, "names") else [CompletionItem(begun, type="file")]


def _uris(_: click.Context, begun: str) -> list[str]:
    """URIs of a libvirt that may be here, and the user's own default."""
    own = os.environ.get("LIBVIRT_DEFAULT_URI", "")
    return _fitting(dict.fromkeys((own, _SYSTEM, "qemu:///session")), begun)


_URI = ("connect", "uri", "uris")
_BY_NAME: dict[str | None, _Candidates] = {
    "machine": _machine,
    "machines": _machines,
    "hosts": _hosts,
    "sender": _hosts,
    "nic": _nics,
    "domain": _domains,
    "names": _names,
    **dict.fromkeys(_URI, _uris),
}
"""By the names that commands have for their parameters."""


class _Completed(click.types.StringParamType):
    """A text, which may be any, and what a shell offers for it."""

    def __init__(self, candidates: _Candidates) -> None:
        self._candidates = candidates

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click calls with it
        incomplete: str,
    ) -> list[CompletionItem]:
        """What can stand where something has begun so."""
        from click.shell_completion import CompletionItem

        found = self._candidates(ctx, incomplete)
        return [CompletionItem(each) if isinstance(each, str) else each for each in found]


def _fitting(names: Iterable[str], begun: str) -> list[str]:
    return [name for name in names if name.startswith(begun) and _PLAIN.fullmatch(name)]


def _words(context: click.Context, *parameters: str) -> list[str]:
    """What stands before on the line for these parameters."""
    said: list[Any] = [context.params.get(name) for name in parameters]
    return [word for each in said if each for word in ([each] if isinstance(each, str) else each)]


def _lab(context: click.Context) -> Lab | None:
    """The lab file that stands before, where it is without fault."""
    # Where an option still wants its value, click has told no argument from another.
    words = _words(context, "lab", "names") or context.args
    with suppress(RscvmError):
        return read_lab(words[0]) if words else None
    return None
