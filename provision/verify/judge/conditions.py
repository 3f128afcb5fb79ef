"""What known issues ask of a NIC: each question, whether it holds, and by what that was seen. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES
from provision.tables.guests import GUESTS
from provision.tables.offloads import BY_NAME, TAP_CHECKSUM
from provision.verify.evidence import FAMILIES, AskedGuest, Unasked
from provision.verify.judge.flows import MANY_AGAIN, came_again
from provision.verify.judge.guest_rungs import answered, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from provision.facts.guest import Adapter, GuestFacts
    from provision.tables.issue_conditions import Span, Version, When
    from provision.verify.evidence import NicEvidence

_RELEASE = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?")
_BUILD = re.compile(r"[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}\.([1-9][0-9]{2})[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether a condition holds, None where that is not known; and by what, or what is not known."""

    holds: bool | None
    words: str = ""


def _in(version: Version | None, span: Span | None, words: str, unknown: str) -> Seen:
    if version is None or span is None:
        return Seen(None, unknown)
    return Seen(span.has(version), words)


def _version(text: str) -> Version | None:
    """The first three numbers of a version or a kernel's release."""
    found = _RELEASE.match(text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def _dotted(version: Version | None) -> str:
    return ".".join(map(str, version or ()))


def _kernels(nic: NicEvidence, when: When) -> Seen:
    kind = INTERFACES.get(nic.kind)
    if kind is None or not kind.is_opened:  # no TAP of the kernel's carries it
        return Seen(False)
    version = _version(nic.kernel)
    whose = "the pasted kernel" if nic.host == "pasted" else "the host's kernel"
    if version is None:
        return Seen(None, whose)
    return Seen(any(span.has(version) for span in when.kernels), f"{whose} {_dotted(version)}")


def _guest(nic: NicEvidence) -> GuestFacts | None:
    """What the guest says of itself, whichever NIC it knows."""
    return nic.guest.facts if isinstance(nic.guest, AskedGuest) else None


def _adapter(nic: NicEvidence) -> Adapter | None:
    guest = answered(nic)
    return guest.adapter if guest else None


def _system(nic: NicEvidence, when: When) -> Seen:
    guest = _guest(nic)
    if guest is not None:
        return Seen(guest.system == when.system)
    if not isinstance(nic.virtio, Unasked) and BY_NAME["guest_ecn"].virtio in nic.virtio.negotiated:
        # Others' drivers take it, and NetKVM never does.
        return Seen(False) if when.system == "windows" else Seen(None, "what runs there")
    return Seen(None, "whether Windows runs there" if when.system == "windows" else "what runs there")


def _release(nic: NicEvidence, span: Span | None, words: str, unknown: str) -> Seen:
    guest = _guest(nic)
    version = guest.version if guest and guest.version else None
    return _in(version, span, f"{words} {_dotted(version)}", unknown)


def _netkvm(nic: NicEvidence, when: When) -> Seen:
    """By the last number of the driver's version, as 28500; other vendors count otherwise, and theirs is not known."""
    adapter = _adapter(nic)
    found = _BUILD.fullmatch(adapter.driver_version) if adapter else None
    return _in(
        (int(found[1]),) if found else None,
        when.netkvm,
        f"NetKVM 0.1.{found[1] if found else ''}",
        "NetKVM's version",
    )


def _processors(nic: NicEvidence, when: When) -> Seen:
    count = _counted(nic)
    if count is None:
        return Seen(None, "how many processors it has")
    return Seen(count >= when.processors, f"{count} processors")


def _counted(nic: NicEvidence) -> int | None:
    guest = _guest(nic)
    return nic.vcpus or (guest.processors if guest else None)  # what the host knows a guest need not be asked


def _more_queues(nic: NicEvidence, _when: When) -> Seen:
    cores = nic.cores or nic.vcpus
    if nic.queues is None or cores is None:
        return Seen(None, "how many queues and cores it has")
    return Seen(nic.queues > cores, f"{nic.queues} queues for {cores} core{'s' * (cores > 1)}")


def _buffers(nic: NicEvidence, when: When) -> Seen:
    count = _counted(nic)
    if nic.queues is None or nic.rx_queue_size is None or count is None:
        return Seen(None, "how large its queues are")
    queues = min(nic.queues, count)
    size = queues * nic.rx_queue_size * GUESTS["windows"].buffer // 1024
    return Seen(size >= when.buffers, f"{size} MiB or more for {queues * nic.rx_queue_size} descriptors")


def _taken(nic: NicEvidence, when: When) -> Seen:
    if isinstance(nic.virtio, Unasked):
        return Seen(None, "what its driver took")
    return Seen(when.taken <= nic.virtio.negotiated)


def _tap_checksum(nic: NicEvidence, _when: When) -> Seen:
    checksum = None if isinstance(nic.features, Unasked) else nic.features.get(TAP_CHECKSUM)
    return Seen(None, "whether its TAP's checksum is on") if checksum is None else Seen(checksum.active)


def _reason(nic: NicEvidence, when: When) -> Seen:
    reasons = {told(nic, family).reason for family in FAMILIES} - {""}
    return Seen(when.reason in reasons, when.reason) if reasons else Seen(None, "what Windows says of RSC")


def _tells(nic: NicEvidence, when: When) -> Seen:
    guest = _guest(nic)
    there = {"defender": guest.defender, "nat": guest.nat}.get(when.tells) if guest else None
    return Seen(there, _THERE[when.tells] if there else f"whether it has {_THERE[when.tells]}")


_THERE = {"": "", "defender": "Windows Defender's network inspection", "nat": "a WinNAT network"}


def _bound(nic: NicEvidence, when: When) -> Seen:
    adapter = _adapter(nic)
    part, mended = when.bound
    for each in adapter.bindings if adapter else ():
        if part in f"{each.component} {each.driver} {each.name}".casefold():
            version = _version(each.version)
            current = version is not None and mended <= version < _OTHERWISE
            return Seen(False) if current else Seen(None, f"whether the {part} that is bound is an old one")
    return Seen(False)


_OTHERWISE: Version = (5,)
"""From here on the numbers of a driver may be counted otherwise than those of its releases."""


def _keywords(nic: NicEvidence, when: When) -> Seen:
    """What is told of the driver's keywords; a keyword that is not told is not known."""
    adapter = _adapter(nic)
    said = adapter.keywords if adapter else {}
    words = " and ".join(f"{name} {value}" for name, value in when.keywords.items())
    if any(name in said and said[name] != value for name, value in when.keywords.items()):
        return Seen(False)
    return Seen(True, words) if when.keywords.keys() <= said.keys() else Seen(None, f"whether {words} is set")


def _but(nic: NicEvidence, when: When) -> Seen:
    adapter = _adapter(nic)
    return Seen(
        not any(adapter.keywords.get(name) == value for name, value in when.but.items()) if adapter else True
    )


def _again(nic: NicEvidence, _when: When) -> Seen:
    again, frames = came_again(nic, FAMILIES)
    if not frames:
        return Seen(None, "whether segments come again")
    return Seen(again >= MANY_AGAIN * frames, f"{again} of {frames} frames of a sample that came again")


def _rsc_on(nic: NicEvidence, _when: When) -> Seen:
    rsc = [told(nic, family) for family in FAMILIES]
    states = {each.enabled if each.operational is None else each.operational for each in rsc}
    on = True if True in states else None if None in states else False
    return Seen(on, "RSC that is on" if on else "whether RSC is on")


CONDITIONS: Mapping[str, Callable[[NicEvidence, When], Seen]] = {
    "kernels": _kernels,
    "system": _system,
    "windows": lambda nic, when: _release(nic, when.windows, "Windows", "which Windows"),
    "linux": lambda nic, when: _release(nic, when.linux, "its kernel", "its guest's kernel"),
    "netkvm": _netkvm,
    "processors": _processors,
    "more_queues": _more_queues,
    "buffers": _buffers,
    "taken": _taken,
    "tap_checksum": _tap_checksum,
    "reason": _reason,
    "tells": _tells,
    "bound": _bound,
    "keywords": _keywords,
    "but": _but,
    "again": _again,
    "rsc_on": _rsc_on,
}
"""What each field of the table's `When` asks of a NIC."""
