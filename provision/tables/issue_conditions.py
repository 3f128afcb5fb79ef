"""What a row of the table of known issues says, and by which conditions it is a NIC's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Versions from the first that has an issue up to the first that has it no more."""

    first: Version
    mended: Version = ()
    """Empty: none was known on the day."""

    def has(self, version: Version) -> bool:
        """Whether a version has it."""
        return version >= self.first and (not self.mended or version < self.mended)


@dataclass(frozen=True, slots=True)
class When:
    """What a NIC, its machine, host and guest must be for an issue to be theirs; what is left at its default does not matter."""

    kernels: tuple[Span, ...] = ()
    """Of the host; it is in one of them."""
    system: Literal["", "windows", "linux"] = ""
    """The guest's."""
    windows: Span | None = None
    """As (10, 0, 26100)."""
    linux: Span | None = None
    """The guest's kernel."""
    netkvm: Span | None = None
    """Builds: (285,) is virtio-win 0.1.285, whose drivers are versions such as 100.101.104.28500."""
    processors: int = 0
    """Logical ones of the guest, and more."""
    more_queues: bool = False
    """Whether it has more queues than the guest has cores."""
    buffers: int = 0
    """MiB that NetKVM's receive buffers take, and more."""
    taken: frozenset[str] = frozenset()
    """Features of virtio that the guest's driver took, all of them."""
    tap_checksum: bool = False
    """Whether its TAP's checksum is on."""
    reason: str = ""
    """Windows' FailureReason, of either family."""
    tells: Literal["", "defender", "nat"] = ""
    """What the guest says that there is, by its name among the guest's facts."""
    bound: tuple[str, Version] = ("", ())
    """Part of the name of what is bound to the adapter, in small letters, and the version from which on it has nothing to do with it;
    of an older one that is not known."""
    keywords: Mapping[str, str] = field(default_factory=dict)
    """What the driver's keywords are set to."""
    but: Mapping[str, str] = field(default_factory=dict)
    """To what a keyword must not be set, where it is told at all."""
    again: bool = False
    """Whether segments of a sample of its traffic came again."""
    rsc_on: bool = False
    """Whether RSC is on in the guest for a family."""


@dataclass(frozen=True, slots=True)
class KnownIssue:
    """An issue that others have found, as it was known on a day."""

    id: str
    title: str
    applies: str
    symptom: str
    workaround: str
    lasts: str
    """Whether the workaround does."""
    until: str
    """Which version mends it."""
    source: str
    read: str
    """The day on which as much of that was read as could be had."""
    when: When
    enough: tuple[str, ...] = ()
    """By which of these, once they hold, it may be told though the others are not known; none: all must be known."""
    also: tuple[str, ...] = ()
    """Other names that it goes by."""
