"""Reads a host before anything is planned for it, in few round trips however many machines it has.

For `plan`, `up`, `down`, `status`, `check` and `doctor`. It changes nothing, but for keeping the result of the probe of
accelerators, which takes seconds, in the state directory.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.ip import parse_links
from provision.facts.processes import parse_processes
from provision.host.journal import Journal, parse_journal
from provision.host.read.capabilities import BOOT, capability_questions, emulators_of, with_capabilities
from provision.host.read.devices import FEATURES, LINKS, features_read
from provision.host.read.nics import nic_questions, parse_nics
from provision.host.state import HostState
from provision.lab.paths import LabPaths
from provision.lab.spec import FirmwareFiles
from provision.render.view import machine_view
from provision.runtime.command import NOT_FOUND, PACKAGES, RELAYS, Run, shell
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.journal import Thing
    from provision.lab.spec import Lab
    from provision.runtime.command import Result
    from provision.runtime.protocols import Domain, ReadingEdges

_CAP_NET_ADMIN = 12
_ABSENT = 44
"""How our script says that there is no journal, which is not the same as one that cannot be read."""


_PROCESSES = r"""
cat /proc/1/cmdline >/dev/null && command -v base64 >/dev/null || { echo "others' processes cannot be seen" >&2; exit 1; }
for c in $(grep -lzxF -e -pidfile /proc/[0-9]*/cmdline 2>/dev/null); do
    p=${c#/proc/}
    words=$(base64 -w0 2>/dev/null <"$c") && [ -n "$words" ] && printf '%s\t%s\n' "${p%/cmdline}" "$words"
done
true"""
_JOURNAL = f'if [ -e "$1" ]; then cat -- "$1"; else exit {_ABSENT}; fi'
# A redirection makes a plain file where there is no device, hence the `-c` before it.
_OPENS = '[ -c "$1" ] || { echo "$1: not there" >&2; exit 1; }; : <>"$1"'
_TUN = f"grep ^CapEff: /proc/self/status && {_OPENS}"
_WRITABLE = (
    'd=$1; until [ -e "$d" ]; do d=$(dirname -- "$d"); done; [ -d "$d" ] && [ -w "$d" ] && [ -x "$d" ]'
)
_BRIDGE_FILTER = "cat /proc/sys/net/bridge/bridge-nf-call-*tables 2>/dev/null; true"
_UUID = re.compile("[0-9a-f-]{36}")
_FOUND = 'for p do command -v "$p" >/dev/null && echo "$p"; done; true'
_NOTHING = Run(("true",))
"""In the place of a question that nobody needs the answer to."""

SCRIPTS = {
    "processes": _PROCESSES,
    "journal": _JOURNAL,
    "tun": _TUN,
    "writable": _WRITABLE,
    "found": _FOUND,
    "filter": _BRIDGE_FILTER,
}
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


def _questions(lab: Lab, host: str, names: Sequence[str]) -> tuple[Run, ...]:
    paths, files = LabPaths(lab.state_dir, lab.name), asked_paths(lab, names)
    guests = names or any(machine.host == host for machine in lab.machines.values())
    return (
        LINKS,
        Run(("stat", "--printf", r"%n\0", "--", *files)) if files else _NOTHING,
        shell(_PROCESSES) if names else _NOTHING,
        shell(_JOURNAL, paths.journal),
        BOOT,
        shell(_TUN, "/dev/net/tun"),
        shell(_OPENS, "/dev/vhost-net"),
        shell(_WRITABLE, paths.directory),
        shell(_FOUND, *PACKAGES, *RELAYS),
        shell(_BRIDGE_FILTER),
        FEATURES if guests else _NOTHING,
    )


def read_host(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, capabilities: bool = False
) -> HostState:
    """The host's devices, files, processes and domains, as far as these machines are concerned; all in one batch.

    With `means` also what would run the machines: QEMUs, images, accelerators. These take a second round trip only
    where the accelerators have not been measured since the host started.

    :raise HostError: when the host or its libvirt does not answer.
    """
    runner = edges.host(host)
    emulators = emulators_of(edges, lab, host, names) if capabilities else {}
    own = [*_questions(lab, host, names), *nic_questions(lab, host)]
    answers = runner.run_all([*own, *(capability_questions(lab, names, emulators) if capabilities else ())])
    state = _host(lab, host, names, answers[: len(own)])
    state = replace(state, domains=_domains(edges, lab, host, names, state.journal.things))
    return with_capabilities(runner, lab, state, emulators, answers[len(own) :]) if capabilities else state


def _host(lab: Lab, host: str, names: Sequence[str], answers: Sequence[Result]) -> HostState:
    """What the answers to our own questions come to."""
    ip, stat, processes, journal, boot, tun, vhost, writable, programs, filters, features, *nics = answers
    if stat.status == NOT_FOUND or not _UUID.fullmatch(boot.out.strip()):
        raise UnreadableError(f"{host}'s files and boot", stat.err + boot.out + boot.err)
    pidfiles = {LabPaths(lab.state_dir, lab.name).pidfile(name) for name in names}
    running = parse_processes(processes.check().out)
    return HostState(
        name=host,
        links=parse_links(ip.check().out),
        files=frozenset(stat.out.split("\0")) - {""},
        writable=writable.ok,
        boot=boot.out.strip(),
        journal=Journal() if journal.status == _ABSENT else parse_journal(journal.check().out),
        processes={pidfile: qemu for pidfile, qemu in running.items() if pidfile in pidfiles},
        vhost=vhost.ok,
        root=_is_root(tun),
        tun=_tun_trouble(tun),
        bridge_filter="1" in filters.out,
        features=features_read(features).devices,
        nics=parse_nics(lab, host, nics),
        programs=frozenset(programs.check().out.split()),
    )


def read_settings(edges: ReadingEdges, lab: Lab, host: str) -> HostState:
    """What can be set of the host's declared NICs, and nothing else: for reading back.

    :raise HostError: when the host does not answer.
    """
    answers = edges.host(host).run_all(nic_questions(lab, host, kept=False))
    return HostState(host, nics=parse_nics(lab, host, answers, kept=False))


def _is_root(tun: Result) -> bool:
    words = tun.out.split()
    return len(words) == 2 and bool(int(words[1], 16) >> _CAP_NET_ADMIN & 1)


def _tun_trouble(result: Result) -> str:
    if not _is_root(result):
        return "making TAPs and bridges needs root (CAP_NET_ADMIN)"
    return "" if result.ok else f"/dev/net/tun cannot be opened: {result.err.strip().rpartition(': ')[2]}"


def _is_libvirts(lab: Lab, host: str, name: str) -> bool:
    return lab.machines[name].backend == "libvirt" and lab.machines[name].host == host


def _domains(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], made: Sequence[Thing]
) -> dict[str, Domain]:
    """The machines' domains; libvirt is left alone where no machine is or was its."""
    once = {thing.name for thing in made if thing.kind == "domain"}
    mine = [
        name for name in names if name in once or (name in lab.machines and _is_libvirts(lab, host, name))
    ]
    if not mine:
        return {}
    hypervisor = edges.libvirt(host)
    found = ((name, hypervisor.domain(name)) for name in mine)
    return {name: domain for name, domain in found if domain is not None}
