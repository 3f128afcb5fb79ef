"""Parses samples of frames on their way to TAPs: flows of TCP, each with its frames' times, sizes and marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import reading
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 4096
"""TAPs in a sample, flows of a TAP, and frames of a flow that are believed; no host of ours tells so many."""
_LARGEST = 1 << 63
_FAMILIES: dict[object, Literal["ipv4", "ipv6"]] = {4: "ipv4", 6: "ipv6"}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of TCP with data, as the TAP was handed it."""

    time: int
    """Nanoseconds since the sample's first frame."""
    data: int
    """Bytes that TCP carries in it."""
    segment: int
    """Bytes that each of its segments carries; 0: it is one segment."""
    sequence: int
    """Of its first byte, from the flow's first one on; 32 bits."""
    number: int
    """Its IP ID; -1 of IPv6."""
    whole: bool
    """Whether it must not be fragmented (DF)."""
    flags: int
    """TCP's."""
    alike: bool
    """Whether its headers are like those of the frame before, where GRO asks for that."""

    @property
    def segments(self) -> int:
        """Into how many segments it would have to be cut."""
        return -(-self.data // self.segment) if self.segment else 1


@dataclass(frozen=True, slots=True)
class Flow:
    """Frames of one TCP connection, in the order in which they came."""

    family: Literal["ipv4", "ipv6"]
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class TapSample:
    """What was seen of one TAP."""

    seen: int = 0
    """Frames of any kind."""
    tcp: int = 0
    flows: tuple[Flow, ...] | None = None
    """None where they were not told apart: nothing could be seen, or 0.1.0 took the sample."""
    trouble: str = ""
    """Why nothing could be seen."""


def _number(value: Any, least: int = 0, most: int = _LARGEST) -> int:
    if type(value) is not int or not least <= value < most:
        raise ValueError("no number that there can be")
    return value


def _frame(row: Any) -> Frame:
    time, data, segment, sequence, number, whole, flags, alike = row
    return Frame(
        _number(time, -_LARGEST),
        _number(data, 1),
        _number(segment, most=1 << 16),
        _number(sequence, most=1 << 32),
        _number(number, -1, 1 << 16),
        bool(_number(whole, most=2)),
        _number(flags, most=1 << 8),
        bool(_number(alike, most=2)),
    )


def _some(rows: Any) -> Sequence[Any]:
    if not isinstance(rows, list) or len(rows) > _MOST:
        raise ValueError("no list that there can be")
    return rows


def _tap(said: Any) -> TapSample:
    flows = tuple(
        Flow(_FAMILIES[flow["family"]], tuple(map(_frame, _some(flow["frames"]))))
        for flow in _some(said["flows"])
    )
    trouble = said["trouble"]
    if not isinstance(trouble, str):
        raise TypeError("no words")
    return TapSample(
        _number(said["seen"]), _number(said["tcp"]), None if trouble else flows, short(trouble, 200)
    )


def parse_samples(text: str) -> tuple[TapSample, ...]:
    """The samples of the TAPs that were asked about, in their order.

    :raise UnreadableError: when the text is anything else.
    """
    with reading("a sample of frames", text):
        return tuple(map(_tap, _some(parse_json(text)["taps"])))
