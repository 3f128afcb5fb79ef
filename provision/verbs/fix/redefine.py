"""Defines a domain anew with the old definition kept, and power-cycles it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.domain_compare import differences
from provision.runtime.deadline import wait_for
from provision.runtime.errors import HostError, WaitedError
from provision.runtime.interrupt import shield
from provision.runtime.protocols import Domain
from provision.verbs.fix.domain_edit import edited
from provision.verify.judge.ladder import may_yet_load
from provision.verify.judge.verdict import judge_nic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.runtime.command import Say
    from provision.runtime.deadline import Deadline
    from provision.runtime.protocols import Libvirt
    from provision.verbs.fix.domain_edit import Edit
    from provision.verify.evidence import NicEvidence
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

    A libvirt that is silent meanwhile is waited for until the deadline.

    :raise HostError: when it does not shut down, and runs on; or when it does not start with the new definition:
        the old one is put back, and it is started with that; or when libvirt is silent, and it may be off.
    """
    domain = libvirt.domain(name)
    if domain is None or domain.state != "running":
        state = domain.state if domain else "gone"
        raise HostError(f"{name} is {state} and is not restarted: only a running guest can shut down")
    say(f"shutting {name} down; up to {deadline.seconds:g} s")
    try:
        libvirt.shutdown(name)
        _await_off(libvirt, name, deadline)
    except KeyboardInterrupt:
        say(f"{name} was asked to shut down and is not started again: virsh start {name}")
        raise
    with shield():
        _start(libvirt, name, kept, deadline, say)


def _answer(libvirt: Libvirt, name: str) -> Domain | HostError | None:
    """The domain, or why libvirt does not tell."""
    try:
        return libvirt.domain(name)
    except HostError as error:
        return error


def _await_off(libvirt: Libvirt, name: str, deadline: Deadline) -> None:
    """Wait until a machine that was asked to shut down is off; a libvirt that is silent meanwhile is asked again.

    :raise HostError: when it is not off at the deadline, or nobody knows.
    """
    said: Domain | HostError | None = None

    def is_off() -> bool:
        nonlocal said
        said = _answer(libvirt, name)
        return isinstance(said, Domain) and said.state == "off"

    try:
        wait_for(is_off, deadline, f"{name} to shut down", every=0.5)
    except WaitedError as error:
        if isinstance(said, HostError):
            raise _left_off(name, said) from error
        raise HostError(
            f"{name} was asked to shut down, and still runs after {deadline.seconds:g} s; it is left running",
            hint=f"shut it down from inside and start it again: the definition waits for that. Pulling its plug "
            f"(virsh destroy {name}) may cost it data, and is left to you",
        ) from error


def _left_off(name: str, why: HostError) -> HostError:
    return HostError(
        f"this command has shut {name} down, and cannot start it again: {why}",
        hint=f"as soon as libvirt answers: virsh domstate {name}, and where that is off: virsh start {name}",
    )


def _start(libvirt: Libvirt, name: str, kept: Kept | None, deadline: Deadline, say: Say) -> None:
    say(f"starting {name}")
    try:
        _start_when_it_answers(libvirt, name, deadline)
    except HostError as error:
        if kept is None or isinstance(error.__cause__, WaitedError):
            raise
        try:
            libvirt.define(kept.xml)
            _start_when_it_answers(libvirt, name, deadline)
        except HostError as again:
            raise HostError(
                f"{name} is off: it starts neither with the edit nor without it, which was put back: {again}",
                hint=f"this command has shut it down; to start it: virsh start {name}",
            ) from error
        raise HostError(
            f"{name} does not start with the edit; the old definition was put back, and it runs with that: {error}"
        ) from error


def _start_when_it_answers(libvirt: Libvirt, name: str, deadline: Deadline) -> None:
    """Start a machine that is off; a libvirt that is silent is asked again, and one that refuses is not.

    :raise HostError: when it refuses, or is silent still at the deadline, which is the error's cause then.
    """
    while True:
        try:
            libvirt.start(name)
        except HostError as error:
            now = _answer(libvirt, name)
            if isinstance(now, Domain) and now.state != "off":  # it had taken, or somebody else was faster
                return
            if not isinstance(now, HostError):
                raise
            _await_answer(libvirt, name, deadline, error)
        else:
            return


def _await_answer(libvirt: Libvirt, name: str, deadline: Deadline, why: HostError) -> None:
    try:
        wait_for(lambda: not isinstance(_answer(libvirt, name), HostError), deadline, "libvirt", every=0.5)
    except WaitedError as error:
        raise _left_off(name, why) from error


def await_drivers_of(
    verdicts: Callable[[], list[NicVerdict]],
    deadline: Deadline,
    coming: Callable[[NicEvidence], bool] = may_yet_load,
) -> list[NicVerdict]:
    """The verdicts once every NIC has its driver, or at the deadline; a libvirt that is silent is asked again.

    :param coming: whether a NIC's is waited for.
    :raise HostError: when it is silent still at the deadline.
    """
    found: list[NicVerdict] = []

    def settled() -> bool:
        nonlocal found
        try:
            found = verdicts()
        except HostError:
            if deadline.expired:
                raise
            return False
        return not any(coming(verdict.evidence) for verdict in found)

    try:
        wait_for(settled, deadline, "the guest's drivers", every=0.5)
    except WaitedError:
        return [judge_nic(replace(verdict.evidence, waited=True)) for verdict in found]
    return verdicts()
