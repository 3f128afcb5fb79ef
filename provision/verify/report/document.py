"""Verdicts as the JSON document of `check --json`, and their exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.verify.evidence import FAMILIES
from provision.verify.judge.fold import arrivals, walked
from provision.verify.report.summary import as_object, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.verify.evidence import NicEvidence, Way
    from provision.verify.judge.cause import Verdict
    from provision.verify.judge.fold import Arrival
    from provision.verify.judge.verdict import Finding, NicVerdict


_STATUS: dict[Verdict, int] = {"ready": 0, "not-ready": 1, "unknown": 4}


def exit_status(verdicts: Sequence[NicVerdict]) -> int:
    """1 where a NIC is not ready, else 4 where one is not known to be or there is none, else 0."""
    found = {_STATUS[verdict.verdict] for verdict in counted(verdicts)}
    return next((status for status in (1, 4, 0) if status in found), 4)


def as_json(verdicts: Sequence[NicVerdict]) -> dict[str, Any]:
    """The document of `check --json`, schema rscvm/check/1."""
    nics = [_nic(verdict) for verdict in verdicts]
    return {"schema": "rscvm/check/1", "checked": len(nics), "nics": nics, "summary": as_object(verdicts)}


def _told(found: Finding) -> dict[str, Any]:
    return {"verdict": found.verdict, "cause": found.cause.id if found.cause else None}


_STATES = {True: "pass", False: "fail", None: "unknown"}


def _sources(nic: NicEvidence) -> list[dict[str, Any]]:
    """Each place that its frames come from: the devices on the way, and what becomes of large frames there."""
    by_family = ([arrival for _, arrival in arrivals(nic, family)] for family in FAMILIES)
    return [_source(nic, way, ends) for way, *ends in zip(walked(nic), *by_family, strict=True)]


def _source(nic: NicEvidence, way: Way, ends: Sequence[Arrival]) -> dict[str, Any]:
    """One of them; `ends` are the families'."""
    return {
        "from": way.source,
        "device": way.origin or None,
        "way": [*(hop.device for hop in way.hops), nic.tap],
        "families": {family: _STATES[end.whole] for family, end in zip(FAMILIES, ends, strict=True)},
        "cuts": _cut(ends),
        "reason": next((end.why for end in ends if end.whole is None), None),
    }


def _cut(ends: Sequence[Arrival]) -> dict[str, Any] | None:
    for end in ends:
        if end.whole is False and end.at is not None:
            network = {"network": end.at.network} if end.at.network else {}
            return {"device": end.at.device, **network, "cause": end.blame, "seen": end.why}
    return None


def _nic(verdict: NicVerdict) -> dict[str, Any]:
    nic, finding = verdict.evidence, verdict.finding
    return {
        "host": nic.host,
        "machine": nic.machine,
        "pid": nic.pid,
        "nic": nic.nic,
        "mac": nic.mac,
        "tap": nic.tap,
        "rsc": nic.rsc,
        "purpose": nic.purpose,
        "verdict": finding.verdict,
        "families": {family: _told(found) for family, found in verdict.families.items()},
        "cause": finding.cause.id if finding.cause else None,
        "seen": finding.seen,
        "definition": _told(verdict.definition) if verdict.definition else None,
        "why": finding.cause.why if finding.cause else "",
        "fix": list(verdict.fix),
        "notes": list(verdict.notes),
        "sources": _sources(nic),
        "ladder": [{"rung": rung.name, **rung.states, "seen": rung.seen} for rung in verdict.ladder],
    }
