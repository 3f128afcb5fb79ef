"""Defines a domain anew with the old definition kept, and power-cycles it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.domain_compare import differences
from provision.runtime.deadline import wait_for
from provision.runtime.errors import HostError, WaitedError
from provision.runtime.interrupt import shield
from provision.verbs.fix.domain_edit import edited
from provision.verify.judge.ladder import may_yet_load
from provision.verify.judge.verdict import judge_nic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.runtime.command import Say
    from provision.runtime.deadline import Deadline
    from provision.runtime.protocols import Domain, Libvirt
    from provision.verbs.fix.domain_edit import Edit
    from provision.verify.judge.verdict import NicVerdict


@dataclass(frozen=True, slots=True)
class Kept:
    """A definition as it was, with its secrets, and the file that has it."""

    xml: str
    path: str


def redefine(
    libvirt: Libvirt, domain: Domain, edits: Sequence[Edit], keep: Callable[[str, str], str]
) -> Kept:
    """Define the domain with these edits; what is there must be what they were made for.

    libvirt has no way to define on condition: a change by somebody else in the moment between the last look and
    the definition would be lost.

    :raise HostError: when the definition has changed meanwhile, cannot be kept, or is refused; it is as it was.
    """
    before = libvirt.definition(domain.name)
    now = libvirt.domain(domain.name)
    path = keep(domain.name, before) if now is not None and _same(now, domain) else ""
    if not path or libvirt.definition(domain.name) != before:
        raise HostError(
            f"{domain.name}'s definition was changed by somebody else meanwhile: nothing was changed here",
            hint="run `rscvm fix` again",
        )
    with shield():
        try:
            libvirt.define(edited(before, edits))
        except HostError as error:
            raise HostError(
                f"{error}", hint=error.hint or f"{domain.name}'s definition is as it was; a copy is in {path}"
            ) from error
        if not has_edits(libvirt, domain, edits):
            raise HostError(
                f"libvirt took {domain.name}'s new definition and did not keep the edit",
                hint=f"the old one is in {path}",
            )
    return Kept(before, path)


def has_edits(libvirt: Libvirt, domain: Domain, edits: Sequence[Edit]) -> bool:
    """Whether a domain's definition is what these edits make of it, however libvirt has laid it out."""
    now = libvirt.domain(domain.name)
    return now is not None and not differences(edited(domain.persistent_xml, edits), now.persistent_xml)


def _same(now: Domain, planned: Domain) -> bool:
    return now.persistent_xml == planned.persistent_xml


def power_cycle(libvirt: Libvirt, name: str, kept: Kept | None, deadline: Deadline, say: Say) -> None:
    """Ask the guest to shut down, and start the machine when it has; nothing is ever pulled.

    :raise HostError: when it does not shut down, and runs on; or when it does not start with the new definition:
        the old one is put back, and it is started with that.
    """
    domain = libvirt.domain(name)
    if domain is None or domain.state != "running":
        state = domain.state if domain else "gone"
        raise HostError(f"{name} is {state} and is not restarted: only a running guest can shut down")
    say(f"shutting {name} down; up to {deadline.seconds:g} s")
    try:
        libvirt.shutdown(name)
        wait_for(lambda: _off(libvirt, name), deadline, f"{name} to shut down", every=0.5)
    except WaitedError as error:
        raise HostError(
            f"{name} was asked to shut down, and still runs after {deadline.seconds:g} s; it is left running",
            hint=f"shut it down from inside and start it again: the definition waits for that. Pulling its plug "
            f"(virsh destroy {name}) may cost it data, and is left to you",
        ) from error
    except KeyboardInterrupt:
        say(f"{name} was asked to shut down and is not started again: virsh start {name}")
        raise
    with shield():
        _start(libvirt, name, kept, say)


def _off(libvirt: Libvirt, name: str) -> bool:
    domain = libvirt.domain(name)
    return domain is not None and domain.state == "off"


def _start(libvirt: Libvirt, name: str, kept: Kept | None, say: Say) -> None:
    say(f"starting {name}")
    try:
        libvirt.start(name)
    except HostError as error:
        now = libvirt.domain(name)
        if now is not None and now.state != "off":  # somebody else was faster
            return
        if kept is None:
            raise
        libvirt.define(kept.xml)
        try:
            libvirt.start(name)
        except HostError as again:
            raise HostError(
                f"{name} is off: it starts neither with the edit nor without it, which was put back: {again}"
            ) from error
        raise HostError(
            f"{name} does not start with the edit; the old definition was put back, and it runs with that: {error}"
        ) from error


def await_drivers_of(verdicts: Callable[[], list[NicVerdict]], deadline: Deadline) -> list[NicVerdict]:
    """The verdicts once every NIC has its driver, or at the deadline."""
    found: list[NicVerdict] = []

    def settled() -> bool:
        nonlocal found
        found = verdicts()
        return not any(may_yet_load(verdict.evidence) for verdict in found)

    try:
        wait_for(settled, deadline, "the guest's drivers", every=0.5)
    except WaitedError:
        return [judge_nic(replace(verdict.evidence, waited=True)) for verdict in found]
    return verdicts()
