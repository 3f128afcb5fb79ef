"""Evidence out of pasted output of ethtool, and what can be said beside it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Literal

from provision.facts.ethtool_pasted import parse_pasted
from provision.runtime.errors import RequestError
from provision.tables.offloads import BY_NAME, TSO
from provision.verify.evidence import NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Features

_CSUM = BY_NAME["guest_csum"].tap
_TSO = tuple(BY_NAME[name].tap for name in TSO.values())
_ECN = "tx-tcp-ecn-segmentation"
_ABSENT = Unasked("not in what was pasted", final=True)
_WHICH = "`virsh domiflist DOMAIN` names a guest's TAP"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What kind of device the features are those of, and what says so."""

    name: Literal["tap", "macvtap", "other"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Where:
    """A device, and where it was pasted."""

    source: str
    device: str
    name: str
    """The device's, with a number where it was pasted again."""


def _kind(features: Features) -> _Kind:
    """A TAP, as far as its lines tell; what they do not tell does not speak against it.

    Linux: drivers/net/tun.c has neither receive checksum nor HIGHDMA, and TSO can be switched; macvtap.c shows the
    lower device's offloads as fixed.
    """
    csum, tso = features.get(_CSUM), [features[name] for name in _TSO if name in features]
    if csum is not None and csum.active and csum.fixed and tso and all(t.active and t.fixed for t in tso):
        return _Kind("macvtap")
    for name in (_CSUM, *_TSO):
        if name in features and features[name].fixed:
            return _Kind("other", f"{name} is {features[name]}")
    for name in ("rx-checksumming", "highdma"):
        if name in features and features[name].active:
            return _Kind("other", f"{name} is on")
    return _Kind("tap")


def pasted(texts: Mapping[str, str]) -> list[NicEvidence]:
    """One NIC for each device in the texts, which go by the names of where they came from.

    :raise RequestError: when none has anything in it that can be recognised.
    """
    nics = [nic for source, text in texts.items() for nic in _of_one(source, text)]
    if not nics:
        raise RequestError(
            f"nothing in {', '.join(texts) or 'there'} is evidence of `check --save`, nor output of ethtool that can be read",
            hint="`ethtool -k DEV`, `ethtool --json -k DEV` and `ethtool -c DEV` can be read, with what a terminal puts around them",
        )
    return nics


def _of_one(source: str, text: str) -> Iterator[NicEvidence]:
    found = parse_pasted(text)
    taps = [(device, features) for device, features in found.dumped if _kind(features).name != "other"]
    features = [*found.features, *(taps or found.dumped)]
    notes: dict[str, list[str]] = {}
    for device, coalesce in found.coalesce:
        notes.setdefault(device, []).extend(_coalesce_notes(device, coalesce))
    asked: dict[str, int] = {}
    for device, told in features:
        asked[device] = asked.get(device, 0) + 1
        again = f" ({asked[device]})" if asked[device] > 1 else ""
        yield _tap(_Where(source, device, f"{device}{again}"), told, notes.get(device, []))
    for device, words in notes.items():
        if device not in asked:
            yield _nic(_Where(source, device, device), "ethernet", _lacking(f"`ethtool -k {device}`"), words)


def _nic(where: _Where, kind: str, features: Features | Unasked, notes: list[str]) -> NicEvidence:
    return NicEvidence(
        host="pasted",
        machine=where.source,
        nic=where.name,
        mac="",
        tap=where.device,
        rsc=None,
        purpose=None,
        state="unknown",
        kind=kind,
        model="virtio",
        properties=_ABSENT,
        virtio=_ABSENT,
        features=features,
        notes=tuple(notes),
    )


def _lacking(what: str) -> Unasked:
    return Unasked(f"{what} is not in what was pasted", final=True)


def _tap(where: _Where, features: Features, notes: list[str]) -> NicEvidence:
    device, kind = where.device, _kind(features)
    if kind.name == "macvtap":
        note = (
            f"{device}'s checksum and TSO are `on [fixed]`, as a macvtap's are whatever its guest took: they tell "
            "nothing; ask a Windows guest itself (Get-NetAdapterRsc)"
        )
        return _nic(where, "direct", features, [note, *notes])
    if kind.name == "other":
        why = f"{device} is no TAP ({kind.why}), so its features tell nothing of a guest"
        own = [f"{why}; {_WHICH}", *_gro_notes(device, features)]
        return _nic(where, "ethernet", Unasked(why, final=True), [*own, *notes])
    lacking = [each for each in (_CSUM, *_TSO) if each not in features]
    if lacking:
        return _nic(where, "ethernet", _lacking(f"{lacking[0]} of {device}"), notes)
    own = [*_tap_notes(device, features), *_unsure(device, features)]
    return _nic(where, "ethernet", features, [*own, *notes])


def _unsure(device: str, features: Features) -> Iterator[str]:
    if not {"rx-checksumming", "highdma"} & features.keys():
        yield f"{device} is taken for a TAP: the lines that would tell it from other devices were not pasted"


def _gro_notes(device: str, features: Features) -> Iterator[str]:
    gro = features.get("generic-receive-offload")
    if gro is not None and not gro.active:
        yield (
            f"generic-receive-offload is off on {device}: what comes in by it is handed on in frames of MTU size "
            f"(ethtool -K {quote(device)} gro on)"
        )


def _tap_notes(device: str, features: Features) -> Iterator[str]:
    """What a TAP's state rests on, and what else looks like it."""
    csum, tso = features[_CSUM], [features[name] for name in _TSO]
    asked = [name for name in _TSO if features[name].requested and not features[name].active]
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
        yield f"checksum `off [requested on]`: {device} looks as a TAP does that no QEMU has opened yet"
    elif not csum.active and asked:
        yield from _checksum_notes(device, features)
    elif not csum.active and any(each.active for each in tso):
        yield "checksum off beside TSO on: no device is so, and the lines are not all of one moment"
    elif not csum.active:
        yield (
            "all off and nothing requested: so a TAP is until a guest's driver asks for it (the guest has not booted, or "
            "has no NetKVM), and also where guest_csum is off at the device, or its driver takes none"
        )


def _checksum_notes(device: str, features: Features) -> Iterator[str]:
    """Checksum off, TSO asked for: the mark of `tx off`, unless the guest's driver had never been there."""
    ecn = features.get(_ECN)
    by_windows = ecn is not None and not ecn.active and not ecn.requested
    yield (
        f"checksum `off` and TSO `off [requested on]`: so it looks after `ethtool -K {device} tx off` under a guest's "
        "driver (host-disabled-checksum)"
        + (
            ", here one that takes TSO and no ECN, as NetKVM does"
            if by_windows
            else "; and also on a TAP whose guest never had a driver, if the host asked for TSO or switched tx off"
        )
        + f"; if the guest is up, and it is no HLK test's TAP: ethtool -K {quote(device)} tx on"
    )


def _coalesce_notes(device: str, coalesce: Coalesce | None) -> Iterator[str]:
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
