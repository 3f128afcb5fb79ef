"""What a shell may complete a word with: a lab's machines, hosts and NICs, domains of a libvirt here, URIs.

No other host is asked, nothing is started, and what cannot be told at once is left out.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from provision.cli.selection import all_hosts
from provision.lab.file import read_lab
from provision.runtime.errors import RscvmError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click
    from click.shell_completion import CompletionItem

    from provision.lab.spec import Lab

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
"""What no shell reads anything into: a domain may have any name, and shells type what is completed as it is."""
_SYSTEM = "qemu:///system"
_SECONDS = 1.5
"""For which whoever types waits for a libvirt."""


def machines(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Machines of the LAB that stands before, less those that do so, too."""
    said = _words(context, "machines", "names")
    lab = _lab(context)
    return _fitting((name for name in lab.machines if name not in said), begun) if lab else []


def hosts(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Hosts of the LAB that stands before."""
    lab, said = _lab(context), _words(context, "hosts")
    return _fitting((name for name in all_hosts(lab) if name not in said), begun) if lab else []


def nics(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """NICs of the MACHINE of a LAB that stand before."""
    lab, said = _lab(context), (_words(context, "names") or context.args)[1:]
    return _fitting((nic.name for name in said if lab and name in lab.machines for nic in lab.machines[name].nics), begun)  # fmt: skip


def domains(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Domains of the URI that stands before, or of libvirt's default, less those that do so, too."""
    from provision.edges.libvirt.domain_names import domain_names

    uri = (
        next(iter(_words(context, "connect", "uri")), None)
        or os.environ.get("LIBVIRT_DEFAULT_URI")
        or _SYSTEM
    )
    said = _words(context, "names")
    return _fitting((name for name in domain_names(uri, _SECONDS) if name not in said), begun)


def named(context: click.Context, parameter: click.Parameter, begun: str) -> list[str] | list[CompletionItem]:
    """DOMAINs where a URI stands before; else a LAB, then its MACHINEs."""
    from click.shell_completion import CompletionItem

    if _words(context, "connect", "uri"):
        return domains(context, parameter, begun)
    return (
        machines(context, parameter, begun)
        if _words(context, "names")
        else [CompletionItem(begun, type="file")]
    )


def uris(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """URIs of a libvirt that may be here, and the user's own default."""
    own = os.environ.get("LIBVIRT_DEFAULT_URI", "")
    return _fitting(dict.fromkeys((own, _SYSTEM, "qemu:///session")), begun)


def _fitting(names: Iterable[str], begun: str) -> list[str]:
    return [name for name in names if name.startswith(begun) and _PLAIN.fullmatch(name)]


def _words(context: click.Context, *parameters: str) -> list[str]:
    """What stands before on the line for these, by the names that their commands have for them."""
    said: list[Any] = [context.params.get(name) for name in parameters]
    return [word for each in said if each for word in ([each] if isinstance(each, str) else each)]


def _lab(context: click.Context) -> Lab | None:
    """The lab file that stands before, where it is without fault."""
    words = (
        _words(context, "lab", "names") or context.args
    )  # the latter where an option still wants its value
    with suppress(RscvmError):
        return read_lab(words[0]) if words else None
    return None
