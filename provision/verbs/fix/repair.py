"""Which repair a NIC's findings call for: what to ask of its TAP, what to edit, what to tell. Pure.

A cause that has no row here is somebody else's to mend, and the verdict says whose.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provision.host.plan.commands import features_argv
from provision.host.plan.taps import taken_by_host
from provision.tables.offloads import MANGLEID, TSO
from provision.verbs.fix.definition import EDITED, Found, Mend, Pending, definition_rows
from provision.verify.evidence import FAMILIES, Unasked
from provision.verify.judge.causes.passed import loses_checksums
from provision.verify.judge.guest_rungs import has_nat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.runtime.command import Argv
    from provision.runtime.protocols import Domain
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict

BACK_ON = frozenset({"host-disabled-checksum", "host-disabled-segmentation", "tap-segmentation-off"})
"""Causes that asking the TAP mends, or tells apart: what the host took it gives back, and the guest keeps what it took."""

PRINTED = frozenset({"link-down", "segment-limit", "queueing-segments", "gro-off", "path-segments"})
"""Causes whose mending concerns more than this NIC, or was perhaps wished for: the command is told, and not run."""

IN_GUEST = frozenset({"nic-property-disabled", "offload-globally-disabled", "forwarding-enabled"})
"""Causes that are a setting of the guest's, which `--guest` changes."""

LEFT_FOR_NAT = "left alone: the guest has a WinNAT network, whose containers do badly with RSC (microsoft/hcsshim issue 371)"

ONE_NUMBER = "fixed-id-sender"
"""What a feature of the TAP mends that nobody has taken from it."""

_BY_HOST = "host-disabled-checksum"
_WIRE_LIKE = "not-wire-like"
_SWITCHED: Mapping[str, Mapping[str, bool]] = {
    _WIRE_LIKE: {"tx-checksumming": False},
    ONE_NUMBER: {MANGLEID: True},
}
"""What to switch where nobody's doing is to be told apart."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to be done about one NIC."""

    verdict: NicVerdict
    cause: str = ""
    """The one that the TAP is asked about."""
    seen: str = ""
    switched: Mapping[str, bool] = field(default_factory=dict)
    """The TAP's features to ask for, or to switch off."""
    mends: tuple[Mend, ...] = ()
    later: tuple[Mend, ...] = ()
    """For its machine's next start; what runs needs no restart for them."""
    pending: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def tap(self) -> str:
        """The NIC's TAP."""
        return self.verdict.evidence.tap or ""

    @property
    def command(self) -> Argv:
        """The one command for its TAP; nothing where none is called for."""
        return features_argv(self.tap, self.switched) if self.switched else ()


def causes_of(verdict: NicVerdict) -> list[Found]:
    """Every cause that keeps a NIC from being as it is meant, with its families and what was seen."""
    if verdict.verdict == "ready":
        return []
    findings = [(verdict.finding, FAMILIES)]
    if verdict.evidence.rsc != "false":  # what else its families lack is as it is meant
        findings += [(found, (family,)) for family, found in verdict.families.items()]
    found: dict[str, Found] = {}
    for finding, families in findings:
        if finding.cause is not None:
            own = tuple(f for f in families if verdict.families[f].cause is finding.cause)
            before = found.get(finding.cause.id, (finding.cause, (), finding.seen))
            both = tuple(f for f in FAMILIES if f in {*before[1], *own})
            found[finding.cause.id] = (finding.cause, both, before[2])
    return [(cause, families or FAMILIES, seen) for cause, families, seen in found.values()]


def waits_for_restart(verdict: NicVerdict) -> bool:
    """Whether the definition has what mends it already, and only a power cycle brings that to what runs."""
    ready = verdict.definition is not None and verdict.definition.verdict == "ready"
    running = verdict.evidence.state == "running"
    return ready and running and any(cause.id in EDITED for cause, _, _ in causes_of(verdict))


def _for_later(verdict: NicVerdict, domain: Domain | None) -> list[Mend | str]:
    """What the definition needs for its machine's next start to be ready, where what runs does not tell."""
    later = verdict.later
    if later is None or domain is None:
        return []
    there = verdict.evidence.definition
    if there is not None and there.now is None:  # nothing runs that could tell more
        domain = replace(domain, live_xml=domain.persistent_xml)
    rows = list(definition_rows(later.evidence, causes_of(later), domain))
    if not rows and later.finding.cause is not None:
        cause = later.finding.cause
        return [
            f"at its next start: {cause.id}: nothing that can be changed from here: {'; '.join(later.words(cause))}"
        ]
    told = [f"at its next start: {row}" for row in rows if isinstance(row, str)]
    return [replace(row, why=f"at its next start: {row.why}") for row in rows if isinstance(row, Mend)] + told


def plan_repair(verdict: NicVerdict, domain: Domain | None, *, guest: bool = False) -> Repair:
    """What to do about a NIC; without a domain its definition is not ours to edit here.

    :param guest: whether what is off in its guest is mended elsewhere.

    :raise UnreadableError: when the domain's XML cannot be read.
    """
    later = _for_later(verdict, domain)
    mends_later = tuple(row for row in later if isinstance(row, Mend))
    off = verdict.evidence.state == "off" and bool(mends_later)
    found = [] if off else causes_of(verdict)
    rows = list(definition_rows(verdict.evidence, found, domain)) if domain is not None else []
    asking = _tap_repair(verdict, found)
    told = [row for row in rows if isinstance(row, str)]
    for cause, _, _ in found:
        of_taps = {*BACK_ON, ONE_NUMBER}
        if cause.id not in {*EDITED, *of_taps, _WIRE_LIKE} or (cause.id in of_taps and not asking.switched):
            if guest and cause.id in IN_GUEST:
                told += [f"{cause.id}: {LEFT_FOR_NAT}"] if has_nat(verdict.evidence) else []
                continue
            how = "for you to run" if cause.id in PRINTED else "nothing that can be changed from here"
            how = "`fix --guest` does it" if cause.id in IN_GUEST else how
            told.append(f"{cause.id}: {how}: {'; '.join(verdict.words(cause))}")
    return replace(
        asking,
        mends=tuple(dict.fromkeys(row for row in rows if isinstance(row, Mend))),
        later=tuple(dict.fromkeys(mends_later)),
        pending=tuple(row.what for row in rows if isinstance(row, Pending)),
        told=(*asking.told, *told, *(row for row in later if isinstance(row, str))),
    )


def _untouchable(nic: NicEvidence) -> str:
    """Why nothing is asked of a NIC's TAP; empty where its own QEMU holds it, here."""
    if nic.network:
        return (
            f"its TAP {nic.tap} is in the network namespace of process {nic.pid}, and is left alone: "
            f"nsenter --net=/proc/{nic.pid}/ns/net ethtool -K {shlex.quote(nic.tap or '')} … does it there"
        )
    if nic.shown != "descriptor":
        return f"its TAP {nic.tap} is known by its name alone, and is left alone: as root (sudo) it is known by QEMU's descriptor"
    return ""


def _tap_repair(verdict: NicVerdict, found: Sequence[Found]) -> Repair:
    """What to ask the NIC's TAP for."""
    about = [row for row in found if row[0].id in {*BACK_ON, _WIRE_LIKE, ONE_NUMBER}]
    if not about or not verdict.evidence.tap:
        return Repair(verdict)
    if why := _untouchable(verdict.evidence):
        return Repair(verdict, told=(why,))
    if about[0][0].id == _BY_HOST and loses_checksums(verdict.evidence):
        return Repair(verdict, told=tuple(verdict.words(about[0][0])))
    seen = "; ".join(dict.fromkeys(seen for _, _, seen in about))
    if about[0][0].id in _SWITCHED:
        return Repair(verdict, about[0][0].id, seen, _SWITCHED[about[0][0].id])
    features = verdict.evidence.features
    if isinstance(features, Unasked):
        return Repair(verdict)
    tso = [TSO[family] for _, of, _ in about for family in of]
    names = taken_by_host(features, dict.fromkeys(tso), negotiated=True)
    return Repair(verdict, about[0][0].id, seen, dict.fromkeys(names, True))
