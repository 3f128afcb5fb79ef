"""What was set on a NIC, held against what is read back: what did not take, and why. Pure."""

from __future__ import annotations

import json
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_coalesce import SWITCHES, coalesce_name
from provision.host.plan.nics import sets, setting_word, wrong_coalesce, wrong_features
from provision.host.state import NicSettings
from provision.tables.offloads import MANGLEID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Feature, Features
    from provision.facts.ip import Link
    from provision.host.plan.steps import Step
    from provision.host.state import HostState, Inventory
    from provision.lab.spec import HostNic, Lab


def not_as_it_was(nic: NicSettings, was: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What of a NIC is otherwise than it was; a number that adaptive coalescing overrules moves by itself."""
    requested = {name: feature.requested for name, feature in (nic.features or {}).items()}
    features, coalesce = was.get("features", {}), was.get("coalesce", {})
    for wanted, there in ((features, requested), (coalesce, nic.coalesce or {})):
        if wanted and not there:
            yield f"it could not be read back ({nic.trouble})"
        for name in sorted(wanted.keys() & there.keys()):  # what a newer driver no longer has is past caring
            overruled = name not in SWITCHES and wanted.get(f"adaptive-{name[:2]}") is True
            if there[name] != wanted[name] and not overruled:
                yield f"{name} is {setting_word(there[name] or False)} and not {setting_word(wanted[name])}"


def no_longer_said(lab: Lab, host: str, state: HostState) -> Iterator[str]:
    """What an earlier apply has set of a NIC, and the lab file no longer says: only `down` puts it back."""
    for thing in state.journal.things:
        if thing.kind != "nic" or not thing.was:
            continue
        settings, nic = lab.host(host).nics.get(thing.name), state.nics.get(thing.name)
        was = {
            what: {name: value for name, value in values.items() if not (settings and sets(settings, name))}
            for what, values in json.loads(thing.was).items()
        }
        names = [name for values in was.values() for name in values]
        if names and not (nic and nic.features is not None and not [*not_as_it_was(nic, was)]):
            yield (
                f"{thing.name}: the lab file no longer says {', '.join(names)}, which an earlier apply has set: "
                "`rscvm down` puts that back"
            )


def not_as_found(
    steps: Sequence[Step], found: Inventory, links: Mapping[str, Link], nics: Mapping[str, NicSettings]
) -> list[Step]:
    """The steps that are not undone: of which a device is otherwise than it was found before all of them.

    :param links: the devices as they are now; those that a step may have touched and that are gone are not in it.
    :param nics: what can be set of the NICs that steps set, as it is now.
    """
    return [
        step
        for step in steps
        if any(_settable(found.links.get(name)) != _settable(links.get(name)) for name in step.devices)
        or any(
            [*not_as_it_was(nics.get(thing.name, NicSettings()), json.loads(thing.was))]
            for thing in step.makes
            if thing.kind == "nic"
        )
    ]


def _settable(link: Link | None) -> object:
    """All that steps may set of a device; addresses that the kernel makes by itself come and go."""
    if link is None:
        return None
    given = {address for address in link.addresses if not ip_interface(address).ip.is_link_local}
    return link.kind, link.mtu, link.up, link.master, link.alias, link.queue, {*link.filters}, given


def in_vain(features: Mapping[str, Features], steps: Sequence[Step]) -> list[tuple[Step, str]]:
    """The mere attempts that came to nothing, and why, by the features of devices as they are now."""
    vain: list[tuple[Step, str]] = []
    for step in (step for step in steps if step.attempt):
        [device] = step.devices
        there = features.get(device, {})
        left = [
            name
            for name, on in step.features.items()
            if name in there and not _took(name, there[name], on=on)
        ]
        if left:
            asked = all(there[name].requested is step.features[name] for name in left)
            why = "the guest's negotiation has the last word" if asked else "the host did not take it"
            vain.append(
                (step, f"{device}: {', '.join(f'{name} stays {there[name]}' for name in left)}: {why}")
            )
    return vain


def _took(name: str, there: Feature, *, on: bool) -> bool:
    """Whether a device is as it was asked to be; what no driver negotiates comes on by itself with the TSO that it needs."""
    return there.active is on or (name == MANGLEID and there.requested is on)


def not_taken(lab: Lab, host: str, nics: Mapping[str, NicSettings]) -> Iterator[str]:
    """What was set and is not so when it is read back, and what keeps it from being so."""
    for device, settings in lab.host(host).nics.items():
        nic = nics.get(device)
        if nic is None or nic.features is None:
            yield f"{device}: could not be read back: {nic.trouble if nic else 'not asked'}"
            continue
        yield from (f"{device}: {sentence}" for sentence in _features_not_taken(settings, nic.features))
        if settings.coalesce and nic.coalesce is None:
            yield f"{device}: its coalescing could not be read back: {nic.trouble}"
        else:
            yield from (
                f"{device}: {sentence}" for sentence in _coalesce_not_taken(settings, nic.coalesce or {})
            )


def _features_not_taken(settings: HostNic, features: Features) -> Iterator[str]:
    yield from (f"{name} could not be read back" for name in settings.features if name not in features)
    for name, on in wrong_features(settings, features).items():
        feature = features[name]
        why = "its driver has it fixed" if feature.fixed else "the driver did not take it"
        if not feature.fixed and feature.requested is on:
            why = "it is asked for, and the driver or a feature that it needs keeps it so"
        yield f"{name} is still {setting_word(feature.active)}: {why}"


def _coalesce_not_taken(settings: HostNic, coalesce: Coalesce) -> Iterator[str]:
    said = {coalesce_name(name): value for name, value in settings.coalesce.items()}
    for name, value in said.items():
        if name not in coalesce and value is not False:
            yield f"{name} could not be read back"
    for name, value in wrong_coalesce(settings, coalesce).items():
        adaptive = coalesce.get(f"adaptive-{name[:2]}") is True and name not in SWITCHES
        why = "adaptive coalescing is on and overrules it" if adaptive else "the driver did not take it"
        yield f"{name} is {setting_word(coalesce[name])} and not {setting_word(value)}: {why}"
