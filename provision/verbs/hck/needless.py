"""Where nothing needs `hck enforce`: nothing else can send to the test NIC with offloads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.runtime.deadline import Deadline, limited
from provision.runtime.errors import HostError
from provision.verbs.check import Look, check
from provision.verify.collect.source import lab_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.host.apply.session import HostSession
    from provision.verbs.hck.kept_taps import HckNic


def needless(session: HostSession, nics: Mapping[str, HckNic], seconds: float) -> list[str]:
    """A sentence for each of these TAPs that nothing can send to with offloads; no guest is asked.

    What cannot be told in so many seconds is left out.
    """
    lab = session.lab
    there = [name for name, machine in lab.machines.items() if machine.host == session.host]
    source = replace(lab_source(session.edges, lab, session.host, there), ways=lambda _: ())
    with suppress(HostError), limited(Deadline(seconds)):
        return [
            f"{nics[nic.tap].words}: nothing else on {nic.lone} can send with offloads as it is now, so nothing there needs this"
            for nic in (verdict.evidence for verdict in check(source, Look()))
            if nic.lone and nic.tap and nic.tap in nics
        ]
    return []
