"""A gain as a table for a terminal, as the document of `bench --json`, and its exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.verify.gain.words import NAMES, limit, sentence, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from provision.verify.gain.figures import Gain, Side, Spread

HEAD = ("", "Gb/s", "(range)", "mean frame", "host CPU s/GB", "vCPU s/GB", "guest CPU s/GB", "resent/GB")
_DIGITS = 4
_GAP = "  "


def as_text(gain: Gain, width: int | None = None) -> list[Text]:
    """The sentence first, then what each kind of leg came to, and what bounds it.

    :param width: the columns that there are; what does not fit beside the table stands beneath it, as another.
    """
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    lines = [Text(sentence(gain), "bold"), *map(Text, _table(gain, width))]
    ratios = ", ".join(f"{ratio:.2f}" for ratio in gain.ratios)
    lines.append(Text(f"pairs: {ratios}"))
    counted = [(NAMES[side.kind], side.coalesced) for side in sides(gain) if side.coalesced is not None]
    if counted:
        told_by = ", ".join(f"{name} {count}" for name, count in counted)
        lines.append(Text(f"large frames, by NetKVM's CoalescedHost: {told_by}"))
    lines.append(Text(f"limit: {limit(gain)}"))
    return [*lines, *(Text(f"note: {note}") for note in gain.notes)]


def _table(gain: Gain, width: int | None) -> Iterator[str]:
    """Its rows, each a line; where they are too wide, as many columns at a time as fit."""
    names, *columns = zip(HEAD, *(row(side) for side in sides(gain)), strict=True)
    first, *more = ([cell.rjust(max(map(len, cells))) for cell in cells] for cells in columns)
    margin = max(map(len, names))
    tables = [[[name.ljust(margin) for name in names], first]]
    for column in more:
        if (
            width is not None
            and sum(len(cells[0] + _GAP) for cells in (*tables[-1], column)) - len(_GAP) > width
        ):
            tables.append(tables[0][:1])
        tables[-1].append(column)
    for table in tables:
        yield from map(_GAP.join, zip(*table, strict=True))


def as_json(gain: Gain) -> dict[str, Any]:
    """The document of `bench --json`, schema rscvm/bench/1."""
    legs = {side.kind: _side(side) for side in sides(gain)}
    return {
        "schema": "rscvm/bench/1",
        "host": gain.host,
        "machine": gain.machine,
        "nic": gain.nic,
        "tap": gain.tap,
        "gain": _spread(gain.ratio),
        "reference_gain": _rounded(gain.reference_ratio),
        "pairs": len(gain.ratios),
        "ratios": [_rounded(ratio) for ratio in gain.ratios],
        "legs": {"on": None, "off": None, "reference": None, **legs},
        "sentence": sentence(gain),
        "limit": limit(gain),
        "command": gain.command,
        "notes": list(gain.notes),
    }


def exit_status(gain: Gain, least: float | None) -> int:
    """1 where it is less than it has to be, live or against the reference."""
    return int(least is not None and gain.least_ratio < least)


def missed(gain: Gain, least: float) -> str:
    """By what it is less than it has to be."""
    where = "live" if gain.least_ratio == gain.ratio.median else "to the device without it"
    return f"the gain is {gain.least_ratio:.4g} {where}, and {least:g} was the least"


def sides(gain: Gain) -> Iterator[Side]:
    """Of each kind of leg that there is, all of them."""
    yield from (side for side in map(gain.side, NAMES) if side is not None)


def row(side: Side) -> tuple[str, ...]:
    """A line of the table, in the order of HEAD."""
    gbps = side.gbps
    return (
        NAMES[side.kind],
        f"{gbps.median:.2f}",
        f"({gbps.least:.2f} to {gbps.most:.2f})",
        size(side.mean_frame),
        told(side.host_seconds),
        told(side.seconds("vcpu")),
        told(side.guest_seconds),
        "-" if (resent := side.resent) is None else f"{resent:.0f}",
    )


def told(seconds: float | None) -> str:
    """Processor seconds, or a dash where nobody can tell."""
    return "-" if seconds is None else f"{seconds:.2f}"


def _side(side: Side) -> dict[str, Any]:
    threads = {"vhost": side.seconds("vhost"), "qemu": side.seconds("qemu"), "vcpus": side.seconds("vcpu")}
    return {
        "gbps": _spread(side.gbps),
        "mean_frame": round(side.mean_frame),
        "host_cpu_s_per_gb": _rounded(side.host_seconds),
        "guest_cpu_s_per_gb": _rounded(side.guest_seconds),
        "retransmits": side.retransmits,
        "coalesced_host": side.coalesced,
        "threads_cpu_s_per_gb": {name: _rounded(seconds) for name, seconds in threads.items()},
    }


def _spread(found: Spread) -> dict[str, float | None]:
    return {"median": _rounded(found.median), "min": _rounded(found.least), "max": _rounded(found.most)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
