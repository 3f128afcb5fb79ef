"""Verdicts as one HTML page: no script, no request, and a policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.runtime.templates import shipped_text, template
from provision.verify.evidence import FAMILIES, NicEvidence, Traffic, Unasked
from provision.verify.judge.fold import drawn, source_words
from provision.verify.report.plots import line
from provision.verify.report.style import (
    NO_CAUSE,
    VERDICTS,
    WORDS,
    is_skipped,
    mark,
    next_start,
    nic_name,
    not_asked,
    off_as_meant,
    one_sided,
    several,
)
from provision.verify.report.summary import counted, summed, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.verify.evidence import Family
    from provision.verify.judge.cause import Span
    from provision.verify.judge.rung import Rung
    from provision.verify.judge.verdict import NicVerdict
    from provision.verify.report.plots import Line

_NAME = 120
"""Characters of a name in a heading; more of it is among the facts."""
_OFF = "RSC is off, as it is meant to be"
_NOT_COUNTED = ("skipped", "·", "off")
"""In place of a verdict's class, sign and word: the machine is off."""
_VERDICT_SIGNS: dict[str, str] = {"ready": "✓", "not-ready": "✗", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Beside:
    """What a page tells beside the verdicts."""

    by: str = "rscvm"
    """Who checked, with its version."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Each host, with how its libvirt is reached and the versions of what runs there."""
    nothing: str = ""
    """Why there is no NIC at all."""


_NOTHING_ELSE = Beside()


@dataclass(frozen=True, slots=True)
class _Fact:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A rung."""

    name: str
    states: tuple[tuple[str, str, str], ...]
    """Each family's state, its sign and its word, in the families' order."""
    seen: str


@dataclass(frozen=True, slots=True)
class _Way:
    """How frames come in: from where, and each device on the way with what it does to large ones that it should not."""

    source: str
    devices: tuple[tuple[str, str], ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Raw:
    """One source's answer: a table, or why there is none."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Nic:
    """A NIC as the template prints it; what comes from outside is on one line and without control characters."""

    name: str
    host: str
    tap: str
    verdict: str
    sign: str
    words: str
    remark: str
    rests: str
    """What alone its verdict rests on."""
    next_start: str
    cause: str
    seen: str
    why: str
    fix: tuple[tuple[Span, ...], ...]
    fix_later: tuple[tuple[Span, ...], ...]
    """For its machine's next start."""
    notes: tuple[str, ...]
    facts: tuple[_Fact, ...]
    ladder: tuple[_Step, ...]
    not_asked: str
    ways: tuple[_Way, ...]
    families: tuple[tuple[str, str, str, str], ...]
    """Family, verdict, words, cause."""
    raw: tuple[_Raw, ...]
    line: Line | None
    """How its mean frame went while it was watched."""


def as_html(
    verdicts: Sequence[NicVerdict],
    *,
    when: datetime,
    title: str,
    errors: Mapping[str, str] | None = None,
    beside: Beside = _NOTHING_ELSE,
) -> str:
    """The page of `check --html`, worst first; `errors` are the hosts of which there is no verdict, and why."""
    style = shipped_text("report.css") + shipped_text("plots.css")
    summary, meant = summed(verdicts), {id(found) for found in counted(verdicts)}
    off = [(*_NOT_COUNTED, summary.off)] if summary.off else []
    page = template("report.html.j2", escape=True, trim=True)
    return page.render(
        title=short(title, _NAME),
        when=f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        style=style,
        digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        sentence=summary.sentence,
        counts=[*((v, _VERDICT_SIGNS[v], WORDS[v], summary.verdicts[v]) for v in VERDICTS), *off],
        causes=[(v, _VERDICT_SIGNS[v], WORDS[v], cause, n) for (v, cause), n in summary.causes.items()],
        no_cause=NO_CAUSE,
        families=FAMILIES,
        hosts=several([found.evidence.host for found in verdicts]),
        errors=[_Fact(short(host, _NAME), short(why)) for host, why in (errors or {}).items()],
        nics=[nic_view(found, meant=id(found) in meant) for found in worst_first(verdicts)],
        by=short(beside.by, _NAME),
        about=[_Fact(short(host, _NAME), short(what)) for host, what in beside.hosts.items()],
        nothing=short(beside.nothing),
    )


def _shortened(advice: Sequence[tuple[Span, ...]]) -> tuple[tuple[Span, ...], ...]:
    return tuple(tuple((short(words), code) for words, code in spans) for spans in advice)


def nic_view(found: NicVerdict, *, meant: bool = True) -> _Nic:
    """A NIC for a template; one that is not meant is of a machine that is off, and counts for nothing.

    What comes from outside is in no markup yet: whoever prints it escapes it.
    """
    nic, cause = found.evidence, found.finding.cause
    verdict, sign, words = (
        (found.verdict, _VERDICT_SIGNS[found.verdict], WORDS[found.verdict]) if meant else _NOT_COUNTED
    )
    return _Nic(
        name=short(nic_name(nic), _NAME),
        host=short(nic.host, _NAME),
        tap=short(nic.tap or "", _NAME),
        verdict=verdict,
        sign=sign,
        words=words,
        remark=_OFF if off_as_meant(found) else "",
        rests=one_sided(found),
        next_start=short(next_start(found)),
        cause=cause.id if cause else "",
        seen=short(found.finding.seen),
        why=cause.why if cause else "",
        fix=_shortened(found.advice),
        fix_later=_shortened(found.advice_for_later),
        notes=tuple(short(note) for note in found.notes),
        facts=tuple(_facts(nic)),
        ladder=tuple(_step(rung, found) for rung in found.ladder if not is_skipped(rung)),
        not_asked=short(not_asked(found.ladder)),
        ways=tuple(_ways(nic)),
        families=tuple(_family(found, family) for family in found.families),
        raw=(_properties(nic), _virtio(nic), _features(nic)),
        line=line(nic.traffic.means) if isinstance(nic.traffic, Traffic) else None,
    )


def _family(found: NicVerdict, family: Family) -> tuple[str, str, str, str]:
    """A family, its verdict, that in words, and its cause; off is no fault where it is meant."""
    held = found.families[family]
    if off_as_meant(found):
        return family, "skipped", "off", ""
    return family, held.verdict, WORDS[held.verdict], held.cause.id if held.cause else ""


def _facts(nic: NicEvidence) -> list[_Fact]:
    told = {
        "machine": nic.machine,
        "NIC": nic.nic,
        "host": nic.host,
        "state": nic.state,
        "MAC": nic.mac,
        "TAP": nic.tap or "none",
        "interface": nic.kind,
        "model": nic.model or "not told",
        "rsc": nic.rsc or "",
        "purpose": nic.purpose or "",
    }
    if not isinstance(nic.virtio, Unasked):
        told["driver's status"] = ", ".join(
            sorted(name.removeprefix("VIRTIO_CONFIG_S_") for name in nic.virtio.status)
        )
        told["vhost"] = "carries the packets" if nic.virtio.vhost else "does not carry the packets"
    return [_Fact(name, short(value)) for name, value in told.items() if value]


def _step(rung: Rung, found: NicVerdict) -> _Step:
    states = tuple((rung.states[family], *mark(rung.states[family], found)) for family in FAMILIES)
    return _Step(rung.name, states, short(rung.seen))


def _ways(nic: NicEvidence) -> Iterator[_Way]:
    if nic.rsc in ("false", "hck") or isinstance(nic.ways, Unasked):
        return
    for way in nic.ways:
        places = drawn(way, nic.tap or "the guest")
        devices = tuple((short(device, _NAME), short(why)) for device, why in places)
        yield _Way(source_words(way), devices, short(way.trouble))


def _properties(nic: NicEvidence) -> _Raw:
    source, columns = "Device properties (qom-get)", ("property", "value")
    if isinstance(nic.properties, Unasked):
        return _Raw(source, columns, (), short(nic.properties.reason))
    rows = tuple((short(name), "on" if on else "off") for name, on in nic.properties.items())
    return _Raw(source, columns, rows)


def _virtio(nic: NicEvidence) -> _Raw:
    source, columns = "Virtio (x-query-virtio-status)", ("feature", "offered", "negotiated")
    if isinstance(nic.virtio, Unasked):
        return _Raw(source, columns, (), short(nic.virtio.reason))
    facts = nic.virtio
    rows = tuple(
        (short(name), "yes" if name in facts.offered else "no", "yes" if name in facts.negotiated else "no")
        for name in sorted(facts.offered | facts.negotiated)
    )
    return _Raw(source, columns, rows)


def _features(nic: NicEvidence) -> _Raw:
    source, columns = "TAP features (ethtool -k)", ("feature", "state")
    if isinstance(nic.features, Unasked):
        return _Raw(source, columns, (), short(nic.features.reason))
    rows = tuple((short(name), str(feature)) for name, feature in nic.features.items())
    return _Raw(source, columns, rows)
