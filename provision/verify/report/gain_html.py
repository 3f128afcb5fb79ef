"""A gain as one HTML page with plots: no script, no request, and a policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.runtime.templates import shipped_text, template
from provision.verify.evidence import FAMILIES
from provision.verify.gain.words import NAMES, limit, sentence, size
from provision.verify.report.gain_text import HEAD, row, sides, told
from provision.verify.report.html import nic_view
from provision.verify.report.plots import Bar, plot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.threads import ThreadKind
    from provision.verify.gain.figures import Gain, Side
    from provision.verify.judge.verdict import NicVerdict
    from provision.verify.report.plots import Plot

_PARTS: dict[ThreadKind, str] = {
    "vhost": "vhost",
    "qemu": "QEMU's own threads",
    "vcpu": "the guest's processors",
}


def as_html(gain: Gain, verdict: NicVerdict, *, when: datetime) -> str:
    """The page of `bench --html`."""
    style = "".join(map(shipped_text, ("report.css", "plots.css", "gain.css")))
    return template("gain.html.j2", escape=True, trim=True).render(
        title=short(f"{gain.machine}.{gain.nic}", 120),
        when=f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        style=style,
        digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        sentence=sentence(gain),
        limit=limit(gain),
        head=HEAD[1:],
        rows=[row(side) for side in sides(gain)],
        ratios=", ".join(f"{ratio:.2f}" for ratio in gain.ratios),
        plots=[*_plots(gain)],
        notes=[short(note) for note in gain.notes],
        command=short(gain.command),
        families=FAMILIES,
        nic=nic_view(verdict),
    )


def _plots(gain: Gain) -> Iterator[Plot]:
    found = [*sides(gain)]
    rates = [
        Bar(NAMES[side.kind], {side.kind: side.gbps.median}, f"{side.gbps.median:.2f}", _points(side))
        for side in found
    ]
    yield plot("Throughput, Gb/s: the median, each leg, and their range", rates)
    frames = [
        Bar(NAMES[side.kind], {side.kind: side.mean_frame / 1000}, size(side.mean_frame)) for side in found
    ]
    yield plot("Mean frame handed to the guest, kB", frames)
    seconds = {side.kind: {part: side.seconds(part) for part in _PARTS} for side in found}
    parts = {
        part: words
        for part, words in _PARTS.items()
        if any(each[part] is not None for each in seconds.values())
    }
    if parts:
        bars = [
            Bar(
                NAMES[kind],
                {part: each[part] or 0.0 for part in parts},
                told(sum(each[part] or 0.0 for part in parts)),
            )
            for kind, each in seconds.items()
        ]
        yield plot("CPU seconds a GB, on the host", bars, parts.items())


def _points(side: Side) -> tuple[float, ...]:
    return tuple(leg.gbps for leg in side.legs)
