"""Reads a whole host before anything is planned for it, in few round trips however many machines it has.

For `plan`, `up`, `apply`, `status` and `doctor`. It changes nothing, but for keeping the result of the probe of
accelerators, which takes seconds, in the state directory.
"""

from __future__ import annotations

import re
import stat
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from provision.facts.network import parse_network
from provision.host.journal import Journal
from provision.host.read.capabilities import CapabilityQuestions, emulators_of
from provision.host.read.inventory import InventoryQuestions, with_hint
from provision.host.read.nics import NicQuestions
from provision.host.read.processes import ENGINES
from provision.host.state import Access, HostState, Inventory, VirtualNetwork
from provision.lab.paths import LabPaths
from provision.lab.spec import FirmwareFiles
from provision.render.view import machine_view
from provision.runtime.command import NOT_FOUND, PACKAGES, RELAYS, Result, Run, shell
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.questions import Question, ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.lab.spec import Lab
    from provision.runtime.protocols import ReadingEdges, Runner

_CAP_NET_ADMIN = 12

# A redirection makes a plain file where there is no device, hence the `-c` before it.
_OPENS = '[ -c "$1" ] || { echo "$1: not there" >&2; exit 1; }; : <>"$1"'
_TUN = f"grep ^CapEff: /proc/self/status && {_OPENS}"
_WRITABLE = (
    'd=$1; until [ -e "$d" ]; do d=$(dirname -- "$d"); done; [ -d "$d" ] && [ -w "$d" ] && [ -x "$d" ]'
)
# What is below a directory that may not be searched looks as if it were not there.
_HIDDEN = 'for p do d=$p; until [ -e "$d" ]; do d=$(dirname -- "$d"); done; [ "$d" = "$p" ] || [ -x "$d" ] || printf "%s\\0" "$p"; done'
_FOUND = 'for p do command -v "$p" >/dev/null && echo "$p"; done; true'

SCRIPTS = {"tun": _TUN, "writable": _WRITABLE, "hidden": _HIDDEN, "found": _FOUND}
"""Every constant script above, for the linter."""


def asked_paths(lab: Lab, names: Sequence[str]) -> tuple[str, ...]:
    """Every path on the host that the machines need or that we may have made for them."""
    paths: set[str] = set()
    for name in lab.machines.keys() & set(names):
        view = machine_view(lab, name)
        paths.update(disk.base or disk.path for disk in view.disks)
        paths.update(disk.path for disk in view.disks)
        kernel = view.spec.kernel
        paths.update(path for path in (kernel and kernel.image, kernel and kernel.initrd) if path)
        if view.code and (view.spec.backend == "qemu" or isinstance(view.spec.firmware, FirmwareFiles)):
            paths.update((view.code, view.vars, view.paths.firmware(name)))
    return tuple(sorted(paths))


def _files(answer: Result) -> dict[str, bool]:
    """Whether each that is there is a block device, by its path."""
    if answer.status == NOT_FOUND:
        raise UnreadableError(f"{answer.host}'s files", answer.err)
    rows = (row.partition(" ") for row in answer.out.split("\0") if row)
    try:
        return {path: stat.S_ISBLK(int(mode, 16)) for mode, _, path in rows}
    except ValueError as error:
        raise UnreadableError(f"{answer.host}'s files", answer.out) from error


def _hidden(runner: Runner, paths: Sequence[str]) -> frozenset[str]:
    """Those of the paths that are not seen for want of a right."""
    answer = runner.run(shell(_HIDDEN, *paths).argv).check()
    return frozenset(path for path in answer.out.split("\0") if path)


def _is_root(tun: Result) -> bool:
    effective = re.fullmatch(r"CapEff:\s+([0-9a-f]{16})\s*", tun.out)
    return effective is not None and bool(int(effective[1], 16) >> _CAP_NET_ADMIN & 1)


def _tun_trouble(answer: Result) -> tuple[bool, str]:
    """Whether we may set up devices, and why TAPs cannot be made."""
    if not _is_root(answer):
        return False, "making TAPs and bridges needs root (CAP_NET_ADMIN)"
    why = f"/dev/net/tun cannot be opened: {answer.err.strip().rpartition(': ')[2]}"
    return True, "" if answer.ok else why


_TAPS = Question(shell(_TUN, "/dev/net/tun"), _tun_trouble)
_VHOST = Question(shell(_OPENS, "/dev/vhost-net"), lambda answer: answer.ok)
_PROGRAMS = Question(shell(_FOUND, *PACKAGES, *RELAYS), lambda answer: frozenset(answer.check().out.split()))


def _networks(edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str]) -> dict[str, VirtualNetwork]:
    """Libvirt's networks that these machines name; it is left alone where they name none."""
    machines = [lab.machines[name] for name in names if name in lab.machines]
    named = {nic.network for machine in machines for nic in machine.nics if nic.network}
    found = {name: edges.libvirt(host).network(name) for name in sorted(named)}
    return {
        name: VirtualNetwork(each.active, parse_network(each.xml)) for name, each in found.items() if each
    }


def _emulators(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, lenient: bool
) -> tuple[dict[str, str], str]:
    """The QEMU that would run each machine; where libvirt does not say, those of bare ones alone, and why.

    :raise HostError: when it does not, and has to.
    """
    try:
        return emulators_of(edges, lab, host, names), ""
    except HostError as error:
        if not lenient:
            raise
        bare = [name for name in names if lab.machines[name].backend != "libvirt"]
        return emulators_of(edges, lab, host, bare), with_hint(error)


def read_host(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, lenient: bool = False
) -> HostState:
    """The whole host, as far as these machines are concerned, and what would run them; all in one batch.

    A second round trip is made only where the accelerators have not been measured since the host started.

    :param lenient: whether the rest is told of a host whose libvirt does not answer.
    :raise HostError: when the host or its libvirt does not answer.
    """
    emulators, silent = _emulators(edges, lab, host, names, lenient=lenient)
    runner, paths, own = edges.host(host), asked_paths(lab, names), LabPaths(lab.state_dir, lab.name)
    there, nics = InventoryQuestions(lab, host, names), NicQuestions(lab, host)
    runs = CapabilityQuestions(edges, lab, host, names, emulators)
    files = Question(Run(("stat", "-L", "--printf", r"%f %n\0", "--", *paths)), _files)
    writable = Question(shell(_WRITABLE, own.directory), lambda each: each.ok)
    engines = [ENGINES] if names else []  # slow, and of concern to machines that are to join a bridge alone
    asked: list[Question[Any]] = [_TAPS, _VHOST, writable, _PROGRAMS, *engines, *([files] if paths else [])]
    answers = ask(runner, [*there.questions, *asked, *nics.questions, *runs.questions])
    inventory = replace(there.inventory(answers, edges, domains=not silent), silent=silent)
    root, tun = answers[_TAPS]
    found = answers.get(files, dict[str, bool]())
    hidden = frozenset[str]() if root else _hidden(runner, [own.journal, *(set(paths) - found.keys())])
    if own.journal in hidden:
        unread = Journal(trouble=f"what `up` noted of this lab cannot be seen: {own.journal}")
        inventory = replace(inventory, journal=unread)
    return HostState(
        **{each.name: getattr(inventory, each.name) for each in fields(Inventory)},
        files=frozenset(found),
        blocks=frozenset(path for path, is_block in found.items() if is_block),
        hidden=hidden,
        engines=answers.get(ENGINES, {}),
        nics=nics.nics(answers),
        networks={} if silent else _networks(edges, lab, host, names),
        access=Access(root, tun, answers[_VHOST], answers[writable], answers[_PROGRAMS]),
        capabilities=runs.capabilities(answers, runner, inventory.boot),
    )
