"""Evidence out of pasted output of ethtool, and all other evidence that was pasted with it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.device_kind import device_kind
from provision.facts.ethtool_features import Feature
from provision.facts.ethtool_pasted import parse_pasted
from provision.facts.pasted_domain import listed_taps
from provision.facts.pasted_features import Shown
from provision.facts.pasted_kernel import pasted_kernel
from provision.facts.pasted_lines import plain_lines
from provision.runtime.errors import RequestError
from provision.tables.failure_reasons import REASONS
from provision.tables.kernel_messages import KERNEL_MESSAGES
from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO
from provision.verify.collect.pasted_guests import guest_nics, joined, untold
from provision.verify.collect.pasted_machines import domain_nics, proxmox_nics
from provision.verify.collect.pasted_nic import pasted_nic
from provision.verify.collect.pasted_notes import (
    ABSENT,
    GRO,
    WHICH,
    Where,
    coalesce_notes,
    gro_notes,
    gro_set,
    implied_notes,
    lacking,
    refused,
    tap_notes,
    unsure,
)
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from provision.facts.ethtool_features import Features
    from provision.verify.evidence import NicEvidence

_UNNAMED = "unnamed"
_MOST_NICS = 2000
_WINDOWS = re.compile(r"Get-NetAdapterRsc|IPv[46]FailureReason|\bRTO\b", re.IGNORECASE)


def pasted(texts: Mapping[str, str]) -> list[NicEvidence]:
    """One NIC for each device or machine's NIC in the texts, which go by the names of where they came from.

    :raise RequestError: when none has anything in it that can be recognised.
    """
    nics = joined([nic for source, text in texts.items() for nic in _of_one(source, text)])
    if len(nics) > _MOST_NICS:
        raise RequestError(f"there are more than {_MOST_NICS} NICs in it", hint="paste less at a time")
    if not nics:
        raise RequestError(
            f"nothing in {', '.join(texts) or 'there'} is evidence of `check --save`, nor output that can be read",
            hint=_hint(texts.values()),
        )
    return nics


def _hint(texts: Iterable[str]) -> str:
    """What could be read, or what there is to say of what cannot."""
    windows = [text for text in texts if _WINDOWS.search(text)]
    if troubles := [trouble for text in windows for trouble in untold(text)]:
        return troubles[0]
    if windows:
        told = [
            row.name
            for row in REASONS
            if row.cause and any(re.search(rf"\b{row.name}\b", text) for text in windows)
        ]
        reasons = " and ".join(f"`rscvm explain {name}`" for name in told)
        more = f"; {reasons} tells what its FailureReason means" if reasons else ""
        return f"whose line is whose cannot be told: `Get-NetAdapterRsc | Format-List` can be read in every form{more}"
    return (
        "`ethtool -k DEV`, `ethtool --json -k DEV`, `ethtool -c DEV`, `virsh dumpxml`, `qm config` and `Get-NetAdapterRsc` can "
        "be read, with what a terminal puts around them"
    )


def _of_one(source: str, text: str) -> list[NicEvidence]:
    """The NICs in a text: a machine's, with what was pasted of their TAPs, and devices of which no machine is known."""
    lines = [line for line in plain_lines(text) if line]
    machines = [*domain_nics(source, text), *proxmox_nics(source, lines)]
    taps = listed_taps(lines) | {nic.tap for nic in machines if nic.tap and nic.kind != "direct"}
    devices = [*_devices(source, text, taps), *_logged(source, text)]
    guests = guest_nics(source, text)
    by_tap: dict[str, list[NicEvidence]] = {}
    for each in devices:
        by_tap.setdefault(each.tap or "", []).append(each)
    of_machines = {nic.tap: there[0] for nic in machines if len(there := by_tap.get(nic.tap or "", [])) == 1}
    shown = {tap: each for tap, each in of_machines.items() if tap and not isinstance(each.features, Unasked)}
    told = [
        replace(nic, features=shown[nic.tap].features, notes=(*nic.notes, *shown[nic.tap].notes))
        if nic.tap in shown
        else nic
        for nic in machines
    ]
    kernel = pasted_kernel(lines)
    found = [*told, *(each for each in devices if each.tap not in shown)]
    return [*(replace(each, kernel=kernel) if kernel else each for each in found), *guests]


def _logged(source: str, text: str) -> Iterator[NicEvidence]:
    """Devices of which the kernel's log tells."""
    for message in KERNEL_MESSAGES:
        for device in dict.fromkeys(found["device"] for found in message.pattern.finditer(text)):
            untold = lacking(f"`ethtool -k {device}`")
            yield replace(_nic(Where(source, device), "ethernet", untold, [message.meaning]), tap=None)


def _devices(source: str, text: str, known: frozenset[str]) -> Iterator[NicEvidence]:
    found = parse_pasted(text)
    taps = [
        (device, features)
        for device, features in found.dumped
        if device_kind(device, features).name != "other"
    ]
    shown = [*found.features, *(Shown(*item) for item in (taps or found.dumped))]
    notes: dict[str, list[str]] = {}
    for device, coalesce in found.coalesce:
        notes.setdefault(device, []).extend(coalesce_notes(device, coalesce))
    gro = {device: word for device, name, word in found.settings if name in GRO}
    asked: dict[str, int] = {}
    for each in shown:
        device = each.device
        asked[device] = asked.get(device, 0) + 1
        where = Where(source, device, f" ({asked[device]})" if asked[device] > 1 else "")
        yield _shown(where, each, known, [*gro_set(device, each.features, gro), *notes.get(device, [])])
    for device, words in notes.items():
        if device not in asked:
            yield _nic(Where(source, device), "ethernet", lacking(f"`ethtool -k {device}`"), words)


def _nic(where: Where, kind: str, features: Features | Unasked, notes: Iterable[str]) -> NicEvidence:
    return replace(
        pasted_nic(where.source, f"{where.device or _UNNAMED}{where.again}", notes),
        tap=where.device or None,
        kind=kind,
        # The first rung's reason is the one that is told.
        properties=features if isinstance(features, Unasked) else ABSENT,
        features=features,
    )


def _shown(where: Where, shown: Shown, taps: frozenset[str], notes: Sequence[str]) -> NicEvidence:
    features, kind = shown.features, device_kind(where.device, shown.features, taps)
    whose = [f"which device it is cannot be told: {shown.whose}"] if shown.whose else []
    if shown.trouble:
        return _nic(where, "ethernet", Unasked(shown.trouble, final=True), [*whose, *notes])
    if kind.name == "macvtap":
        note = (
            f"{where}'s checksum and TSO are `on [fixed]`, as a macvtap's are whatever its guest took: they tell "
            "nothing; ask a Windows guest itself (Get-NetAdapterRsc)"
        )
        return _nic(where, "direct", features, [note, *whose, *notes])
    if kind.name == "other":
        why = f"{where} is no TAP ({kind.why}), so its features tell nothing of a guest"
        own = [f"{why}; {WHICH}", *gro_notes(where, features)]
        return _nic(where, "ethernet", Unasked(why, final=True), [*own, *whose, *notes])
    if kind.name == "unsure":
        why = f"whether {where} is a TAP cannot be told"
        own = [unsure(where, features), *gro_notes(where, features)]
        return _nic(where, "ethernet", Unasked(why, final=True), [*own, *whose, *notes])
    return _tap(where, shown, [*([kind.why] if kind.why else []), *whose, *notes])


def _tap(where: Where, shown: Shown, notes: Sequence[str]) -> NicEvidence:
    features = {**_implied(shown), **shown.features}
    if TAP_CHECKSUM not in features or not any(name in features for name in TAP_TSO):
        missing = next(name for name in (TAP_CHECKSUM, *TAP_TSO) if name not in features)
        own = list(refused(where, features)) if shown.answer else []
        return _nic(where, "ethernet", lacking(f"{missing} of {where}"), [*own, *notes])
    return _nic(
        where, "ethernet", features, [*tap_notes(where, features), *implied_notes(shown, features), *notes]
    )


def _implied(shown: Shown) -> Features:
    """What a TAP's other lines say of checksum and TSO where their own were not pasted.

    Of the checksums a TAP has but one (drivers/net/tun.c), and no device has TSO without checksum
    (netdev_fix_features). A group is off where all in it are; before Linux 2.6.39 its line was that of IPv4's TSO.
    """
    said, found = shown.features, dict[str, Feature]()
    groups = said.get("tx-checksumming"), said.get("tcp-segmentation-offload")
    if groups[0] is not None:
        found[TAP_CHECKSUM] = Feature(groups[0].active, None, None)
    elif any(name in said and said[name].active for name in TAP_TSO):
        found[TAP_CHECKSUM] = Feature(True, None, None)
    if groups[1] is not None and (shown.plain or not groups[1].active):
        of_it = TAP_TSO[:1] if shown.plain else TAP_TSO
        found |= dict.fromkeys(of_it, Feature(groups[1].active, None, None))
    return found
