"""--connect and DOMAIN of a command line: which libvirts, which of their domains, and which were meant."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from provision.edges.uri import reach, system_uri
from provision.lab.file import near_lab_file
from provision.runtime.errors import RequestError, RscvmError
from provision.runtime.near_names import did_you_mean, near_names
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import ExitStack

    from provision.api.saved import Keep
    from provision.cli.output import Output
    from provision.edges.wiring import RealEdges
    from provision.runtime.command import Argv
    from provision.verify.collect.source import MachineSource
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict

_LONGEST = 200
"""Characters of a name or URI in a message."""


@contextmanager
def reached(output: Output, uri: str, host: str) -> Iterator[tuple[str, RealEdges]]:
    """The host of a libvirt's URI, or the one that was named, and the ways to it."""
    from provision.edges.wiring import RealEdges

    way = reach(uri, host)
    trace = output.say if output.verbose else None
    with RealEdges({way.name: way.host}, trace, daemons={way.name: way.daemon}) as edges:
        yield way.name, edges


def chosen_uri(uri: str | None) -> str:
    """The libvirt that was named, or libvirt's own choice.

    :raise RscvmError: when libvirt has none.
    """
    from provision.edges.libvirt.default_uri import default_uri

    return default_uri() if uri is None else uri


def refuse_absent(names: Sequence[str], known: Collection[str], uris: Sequence[str]) -> None:
    """See that domains are there.

    :raise RequestError: when one is not; with the names that are like it.
    """
    missing = [name for name in names if name not in known]
    if missing:
        where, near = ", ".join(short(uri, _LONGEST) for uri in uris), did_you_mean(missing[0], known)
        raise RequestError(
            f"no domain {', '.join(missing)} at {where}",
            hint=f"{near}`virsh --connect {short(uris[0], _LONGEST)} list --all` lists them",
        )


def named_domains(source: MachineSource, real: RealEdges, uri: str, names: Sequence[str]) -> MachineSource:
    """A source of domains that says which one may have been meant by one that is not there."""

    def ask(some: Sequence[str]) -> list[NicEvidence]:
        try:
            return source.ask(some)
        except RequestError:
            refuse_absent(names, real.libvirt(source.host).names(), [uri])
            raise

    return replace(source, ask=ask)


def domain_sources(
    output: Output, asked: tuple[Sequence[str], str, Sequence[str]], keep: Keep, open_: ExitStack
) -> dict[str, MachineSource]:
    """The sources of domains of these libvirts; what is opened stays open as long as the stack.

    :param asked: the URIs, the host that was named beside a single one, and the domains' names; none are all.
    :raise RequestError: when a domain is nowhere, or a libvirt is named twice.
    """
    from provision.verify.collect.source import domain_source

    uris, host, names = asked
    if len(uris) > 1:
        if keep.directory is not None:
            raise RequestError("--save: evidence is kept of one --connect at a time")
        return _of_several(output, uris, names, monitor=keep.look.monitor, open_=open_)
    name, real = open_.enter_context(reached(output, uris[0], host))
    edges = open_.enter_context(keep.of_domains(real, name, uris[0], names))
    source = domain_source(edges, name, names, monitor=keep.look.monitor)
    where = ("--host", host) if host else ()
    return {
        name: replace(named_domains(source, real, uris[0], names), reached=("--connect", uris[0], *where))
    }


@dataclass(frozen=True, slots=True)
class _Listed:
    """One libvirt of several: its domains of those that were named, and all that it has."""

    source: MachineSource | None
    known: Sequence[str]


def _of_several(
    output: Output, uris: Sequence[str], names: Sequence[str], *, monitor: bool, open_: ExitStack
) -> dict[str, MachineSource]:
    """A libvirt that cannot be asked is a source that fails: the others are looked at all the same."""
    from provision.runtime.parallel import side_by_side
    from provision.verify.collect.source import MachineSource, domain_source

    _refuse_twice(uris)
    ways: dict[str, tuple[str, RealEdges]] = {}
    for uri in uris:
        name, real = open_.enter_context(reached(output, uri, ""))
        ways[short(uri, _LONGEST) if name in ways else name] = (name, real)

    def listed(key: str) -> _Listed:
        name, real = ways[key]
        known = real.libvirt(name).names()
        here = [each for each in names if each in known]
        source = domain_source(real, name, here, monitor=monitor) if here or not names else None
        return _Listed(source, known)

    outcomes = side_by_side(list(ways), listed)
    if not any(outcome.error for outcome in outcomes):
        refuse_absent(
            names, [each for outcome in outcomes if outcome.value for each in outcome.value.known], uris
        )

    def failing(key: str, error: RscvmError) -> MachineSource:
        def ask(_: Sequence[str]) -> NoReturn:
            raise error

        return MachineSource(ways[key][1], ways[key][0], ask)

    found = {each.host: each.value.source for each in outcomes if each.value and each.value.source}
    failed = {each.host: failing(each.host, each.error) for each in outcomes if each.error}
    return {
        key: replace((found | failed)[key], reached=("--connect", uri))
        for key, uri in zip(ways, uris, strict=True)
        if key in found | failed
    }


def _refuse_twice(uris: Sequence[str]) -> None:
    twice = next((uri for uri in uris if uris.count(uri) > 1), None)
    if twice is not None:
        raise RequestError(f"--connect: {short(twice, _LONGEST)} is named twice")


def located(output: Output, uris: Sequence[str], host: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each domain with the libvirt that it is at; where there is one of each, that is not asked.

    :raise RequestError: when one is nowhere, or a libvirt is named twice.
    """
    if len(uris) == len(names) == 1:
        return [(uris[0], names[0])]
    if host and len(uris) > 1:
        raise RequestError("--host goes with a single --connect")
    _refuse_twice(uris)
    known: dict[str, list[str]] = {}
    for uri in uris:
        with reached(output, uri, host) as (name, edges):
            known[uri] = edges.libvirt(name).names()
    refuse_absent(names, [each for there in known.values() for each in there], uris)
    return [(uri, name) for uri in uris for name in names if name in known[uri]]


def with_asking(verdicts: Sequence[NicVerdict], reached: Argv) -> list[NicVerdict]:
    """The verdicts, each with the command that asks its guest, where there is one.

    :param reached: as a source of machines has it.
    """
    return [replace(found, asking=_asking(found.evidence, reached)) for found in verdicts]


def _asking(nic: NicEvidence, reached: Argv) -> str:
    of_libvirt = reached[:1] == ("--connect",)
    name = nic.owner.domain if of_libvirt else nic.machine
    return shlex.join(("rscvm", "check", *reached, name, "--guest")) if reached and name else ""


def refuse_no_file(output: Output, command: str, names: Sequence[str]) -> None:
    """See that a lab file is there.

    :raise RequestError: when it is not; where its name is a domain's, with the command that was meant.
    """
    if not Path(names[0]).exists():
        meant = _at_libvirt(command, names) if "://" in names[0] else _meant(output, command, names)
        raise RequestError(f"there is no lab file {names[0]}", hint=meant)


def _at_libvirt(command: str, names: Sequence[str]) -> str:
    uri, *domains = (short(shlex.quote(name), _LONGEST) for name in names)
    all_there = "" if command == "check" else " DOMAIN"
    said = f" {' '.join(domains)}" if domains else all_there
    return f"for domains of that libvirt's: `rscvm {command} --connect {uri}{said}`"


def _meant(output: Output, command: str, names: Sequence[str]) -> str:
    """What may have been meant by a lab file that is not there: another file, or a domain of libvirt's own choice."""
    first, *more = names
    if "/" in first or first.endswith((".yaml", ".yml")):
        return near_lab_file(Path(first))

    def words(uri: str, name: str) -> str:
        return f"`rscvm {command} --connect {short(shlex.join([uri, name, *more]), _LONGEST)}`"

    try:
        own = chosen_uri(None)
    except RscvmError:
        return f"for a domain of libvirt's: {words('qemu:///system', first)}"
    silent: list[str] = []
    for uri in filter(None, (own, system_uri(own))):
        try:
            with reached(output, uri, "") as (host, edges):
                known = edges.libvirt(host).names()
        except RscvmError:
            silent.append(uri)
            continue
        if first in known:
            return f"it is a domain at {short(uri, _LONGEST)}: {words(uri, first)}"
        if near := near_names(first, known):
            return f"did you mean {short(near[0], _LONGEST)}? {words(uri, near[0])}"
    if silent:
        return f"for a domain of libvirt's: {words(silent[-1], first)}"
    return f"nor is there a domain of that name at {short(own, _LONGEST)}"
