"""Waits for the drivers of guests that start, and judges their NICs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from provision.host.plan.hck_flags import lab_as_started
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.runtime.deadline import wait_for
from provision.runtime.errors import HostError, WaitedError
from provision.verbs.check import Look, check
from provision.verify.collect.machines import collect_lab
from provision.verify.collect.source import lab_source
from provision.verify.evidence import Unasked
from provision.verify.judge.ladder import may_yet_load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.runtime.deadline import Deadline
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict


def await_drivers(session: HostSession, names: Sequence[str], deadline: Deadline) -> list[NicVerdict]:
    """The verdicts once every virtio NIC has its driver, or when the deadline has passed.

    :raise HostError: when a machine ends meanwhile.
    """
    if not any(session.lab.machines[name].nics for name in names):
        return []
    there = read_inventory(session.edges, session.lab, session.host, names)
    lab = lab_as_started(session.lab, there)

    def settled() -> bool:
        nonlocal there
        nics = collect_lab(session.edges, lab, names, there)
        if any(_is_silent(nic) for nic in nics):  # its monitor may be that of a machine that has ended
            there = read_inventory(session.edges, session.lab, session.host, names)
            nics = collect_lab(session.edges, lab, names, there)
        if gone := sorted({nic.machine for nic in nics if nic.state == "off"}):
            raise HostError(
                f"{', '.join(gone)} stopped before its driver was there",
                hint=f"its log in {LabPaths(session.lab.state_dir, session.lab.name).directory} tells why; "
                "`rscvm down` removes what is left",
            )
        return not any(may_yet_load(nic) for nic in nics)

    source, waited = lab_source(session.edges, session.lab, session.host, names), False
    try:
        wait_for(settled, deadline, "the guests' drivers")
    except WaitedError:
        waited = True
    verdicts: list[NicVerdict] = []

    def forwarded() -> bool:
        nonlocal verdicts
        verdicts = check(source, Look(waited=waited))
        return not any(_is_learning(verdict.evidence) for verdict in verdicts)

    with suppress(WaitedError):
        wait_for(forwarded, deadline, "bridges to forward", every=1)
    return verdicts


def _is_learning(nic: NicEvidence) -> bool:
    """Whether the bridge's STP holds back its TAP, which is new, for some seconds: libvirt's networks have STP."""
    return any(cut.at == "learning" for cut in nic.cuts)


def _is_silent(nic: NicEvidence) -> bool:
    return isinstance(nic.virtio, Unasked) and nic.model == "virtio" and not nic.virtio.final
