"""`check --watch`: one read of a host a tick; machines are asked again only where that shows a change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO
from provision.verbs.check import devices_of
from provision.verify.collect.taps import with_tap
from provision.verify.collect.traffic import with_traffic
from provision.verify.collect.wire import with_test_bridge
from provision.verify.evidence import Traffic
from provision.verify.judge.verdict import judge_nic
from provision.verify.report.ticks import WIDE_PAST, Tick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.collect.source import MachineSource
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict

_KINDS = frozenset({"tun", "macvtap"})
_FEATURES = (TAP_CHECKSUM, *TAP_TSO)


@dataclass(frozen=True, slots=True)
class Glance:
    """A host's machines at one tick."""

    nics: Sequence[NicEvidence]
    """What was asked of them, without what their TAPs tell."""
    taps: TapsRead
    past: Mapping[tuple[str, str], tuple[float | None, ...]] = field(default_factory=dict)
    """The mean frames of the last ticks, by machine and MAC address."""


def glance(source: MachineSource, last: Glance | None) -> tuple[Glance, list[Tick]]:
    """The host now, and what has happened since the last look.

    A driver that starts or stops, a machine that starts or ends and a TAP that is switched all show at the
    host's devices, which are therefore read though no machine has any yet; what does not show there (another
    libvirt, a NIC without device) stays as it was asked first.
    """
    nics = last.nics if last else source.ask(())
    taps = devices_of(source, timed=True)
    if last and _shape(taps) != _shape(last.taps):
        nics = source.ask(())
        taps = devices_of(source, timed=True)  # never older than what was negotiated
    before = last.taps if last else taps
    names, ticks = [(nic.machine, nic.mac) for nic in nics], []
    past: dict[tuple[str, str], tuple[float | None, ...]] = {}
    for name, nic in zip(names, with_test_bridge(nics, taps, nics), strict=True):
        tick = _tick(nic, before, taps)
        if last:
            past[name] = (*last.past.get(name, ()), tick.mean_frame)[-WIDE_PAST:]
        ticks.append(replace(tick, past=past.get(name, ())))
    return Glance(nics, taps, past), ticks


def _shape(taps: TapsRead) -> object:
    """All that shows of machines in a host's devices, but for what they carry."""
    return taps.features.trouble, {
        (
            link.name,
            link.index,
            link.carrier,  # a TAP of ours outlives its QEMU, with the features that it had
            *(str(taps.features.devices.get(link.name, {}).get(name)) for name in _FEATURES),
        )
        for link in taps.links.values()
        if link.kind in _KINDS
    }


def _tick(nic: NicEvidence, before: TapsRead, taps: TapsRead) -> Tick:
    told = with_tap(nic, taps)
    verdict = judge_nic(told)
    traffic = with_traffic(told, before, taps, {}).traffic
    if not isinstance(traffic, Traffic) or traffic.seconds <= 0:
        return _row(verdict, None)
    return _row(verdict, traffic)


def _row(verdict: NicVerdict, traffic: Traffic | None) -> Tick:
    nic, cause = verdict.evidence, verdict.finding.cause
    return Tick(
        nic.host,
        nic.machine,
        nic.nic,
        nic.tap,
        traffic.octets / traffic.seconds if traffic else None,
        traffic.frames / traffic.seconds if traffic else None,
        traffic.mean if traffic and traffic.frames else None,
        verdict.verdict,
        cause.id if cause else None,
    )
