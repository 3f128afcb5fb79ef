"""What is said beside the verdict of a device whose features or coalescing somebody pasted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from provision.facts.device_kind import LIKE_A_TAP
from provision.tables.device_names import TAP_NAME
from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Features
    from provision.facts.pasted_features import Shown

_ECN = "tx-tcp-ecn-segmentation"
WHICH = "`virsh domiflist DOMAIN` names a guest's TAP"
ABSENT = Unasked("not in what was pasted", final=True)


def lacking(what: str) -> Unasked:
    """That the one thing which would have told is missing."""
    return Unasked(f"{what} is not in what was pasted", final=True)


@dataclass(frozen=True, slots=True)
class Where:
    """A device, and where it was pasted."""

    source: str
    device: str
    """Empty where it is not named."""
    again: str = ""
    """A number where it was pasted again."""

    def __str__(self) -> str:
        """In a sentence."""
        return self.device or "the device"

    @property
    def command(self) -> str:
        """In a command."""
        return quote(self.device) if self.device else "TAP"


def implied_notes(shown: Shown, features: Features) -> Iterator[str]:
    """That lines were not pasted, and whether others told what they would have."""
    if implied := [
        name for name in (TAP_CHECKSUM, *TAP_TSO) if name in features and name not in shown.features
    ]:
        yield f"{', '.join(implied)}: not in what was pasted, but told by the lines that were"
    if unknown := [name for name in TAP_TSO if name not in features]:
        old = "; this old form of `ethtool -k` tells of IPv4 alone" if shown.plain else ""
        yield f"{', '.join(unknown)} is not in what was pasted{old}"


def unsure(where: Where, features: Features) -> str:
    """Why it cannot be told whether it is a TAP, and what would tell it."""
    missing = " and ".join(name for name in LIKE_A_TAP if name not in features)
    lines = f"{missing or 'the notes in brackets'} (both `off [fixed]` on a TAP)"
    named = "its name does not tell" if where.device else "it is not named"
    return (
        f"whether {where} is a TAP cannot be told: {named}, and {lines} were not pasted; paste all of "
        f"`ethtool -k {where.command if where.device else 'DEV'}`; {WHICH}"
    )


GRO = frozenset({"gro", "generic-receive-offload", "rx-gro"})
"""What `ethtool -K` calls it."""


def _gro_words(device: str) -> str:
    return f"{device}: what guests get by it from outside arrives in frames of MTU size"


def gro_notes(where: Where, features: Features) -> Iterator[str]:
    """That a NIC gathers nothing; to switch it on is advised only where nothing looks like a workaround.

    An e1000e that hangs is run with TSO, GSO and GRO off.
    """
    gro = features.get("generic-receive-offload")
    if gro is None or gro.active:
        return
    others = [features.get(name) for name in ("tcp-segmentation-offload", "generic-segmentation-offload")]
    if where.device and all(each is not None and each.active for each in others):
        yield f"generic-receive-offload is off on {_gro_words(where.device)} (ethtool -K {where.command} gro on)"
    else:
        yield f"generic-receive-offload is off on {_gro_words(str(where))}; {_ON_PURPOSE}"


_ON_PURPOSE = (
    "with TSO and GSO off it may be so on purpose (an e1000e that hangs is run so): ask before you change it"
)


def gro_set(device: str, features: Features, gro: Mapping[str, str]) -> Iterator[str]:
    """That GRO was switched off, where no line shows how it is."""
    if (
        gro.get(device) == "off"
        and "generic-receive-offload" not in features
        and not TAP_NAME.fullmatch(device)
    ):
        yield f"`ethtool -K` switched GRO off on {_gro_words(device)}; {_ON_PURPOSE}"


def refused(where: Where, features: Features) -> Iterator[str]:
    """What it means that `ethtool -K` was refused TSO."""
    refused = [
        name
        for name in TAP_TSO
        if name in features and features[name].requested and not features[name].active
    ]
    if refused:
        yield (
            f"the host asked for {', '.join(refused)} and did not get it: no guest's driver has asked for it yet, or "
            f"dropped or declined it, or checksum is off on {where}: `ethtool -k {where.command}` tells which"
        )


def tap_notes(where: Where, features: Features) -> Iterator[str]:
    """What a TAP's state rests on, and what else looks like it."""
    csum, tso = features[TAP_CHECKSUM], [features[name] for name in TAP_TSO if name in features]
    asked = [
        name
        for name in TAP_TSO
        if name in features and features[name].requested and not features[name].active
    ]
    gather = features.get("tx-scatter-gather")
    if csum.active and all(each.active for each in tso):
        yield (
            "a TAP has these on only where QEMU asked for them, which it does for a guest's driver; of a TAP that "
            "outlives its QEMU they are the last one's"
        )
    elif csum.active and asked and (gather is None or gather.active):
        yield (
            f"{', '.join(asked)} `off [requested on]` beside checksum on: the host asks for it, and who holds the TAP "
            "does not: the guest's driver dropped or declined it, or guest_tso is off at the device"
        )
    elif not csum.active and csum.requested:
        yield f"checksum `off [requested on]`: {where} looks as a TAP does that no QEMU has opened yet"
    elif not csum.active and asked:
        yield from _checksum_notes(where, features)
    elif not csum.active and any(each.active for each in tso):
        yield "checksum off beside TSO on: no device is so, and the lines are not all of one moment"
    elif not csum.active and any(each.requested is None for each in (csum, *tso)):
        yield (
            "checksum off: so a TAP is until a guest's driver asks for it, and after `ethtool -K TAP tx off`; what would "
            "tell the two apart was not pasted"
        )
    elif not csum.active:
        yield (
            "all off and nothing requested: so a TAP is until a guest's driver asks for it (the guest has not booted, or "
            "has no NetKVM), and also where guest_csum is off at the device, or its driver takes none"
        )


def _checksum_notes(where: Where, features: Features) -> Iterator[str]:
    """Checksum off, TSO asked for: the mark of `tx off`, unless the guest's driver had never been there."""
    ecn = features.get(_ECN)
    by_windows = ecn is not None and not ecn.active and not ecn.requested
    yield (
        f"checksum `off` and TSO `off [requested on]`: so it looks after `ethtool -K {where.command} tx off` under a guest's "
        "driver (host-disabled-checksum)"
        + (
            ", here one that takes TSO and no ECN, as NetKVM does"
            if by_windows
            else "; and also on a TAP whose guest never had a driver, if the host asked for TSO or switched tx off"
        )
        + f"; if the guest is up, and it is no HLK test's TAP: ethtool -K {where.command} tx on"
    )


def coalesce_notes(device: str, coalesce: Coalesce | None) -> Iterator[str]:
    """What a device's coalescing comes to."""
    if coalesce is None:
        yield f"`ethtool -c {device}` is cut off, or of a form that is not known"
    elif coalesce.keys() <= {"rx-frames"}:
        yield (
            f"{device} has no coalescing but rx-frames, as a TAP: that batches what its guest sends, and does not bear "
            "on RSC"
        )
    elif "rx-usecs" not in coalesce:
        yield f"{device} has no rx-usecs (n/a): its interrupts cannot be held back by it"
    elif coalesce.get("adaptive-rx"):
        yield f"adaptive-rx is on for {device} and overrules rx-usecs ({coalesce['rx-usecs']})"
    else:
        yield f"rx-usecs is {coalesce['rx-usecs']} on {device}, and adaptive-rx does not overrule it"
