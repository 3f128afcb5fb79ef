"""Steps for a host's physical NICs: features, coalescing, and the .link file that keeps them. Pure.

ethtool's exit status does not say whether a setting took (a change in part is a success to it), so none of these
steps is believed before it was read back: the host is read again, and what `nic_steps` would still do did not take.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_coalesce import SWITCHES, coalesce_name
from provision.facts.ethtool_features import is_of
from provision.host.journal import Thing
from provision.host.plan.commands import remove_files, set_features, tolerant, write_file
from provision.host.plan.steps import HOST, Step
from provision.render.link_file import (
    DEFAULT_NAMING,
    LAB_MARK,
    KeptNic,
    carried_options,
    link_file,
    link_path,
)
from provision.runtime.command import Run
from provision.runtime.safe_text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from provision.facts.ethtool_features import Features
    from provision.host.state import HostState, NicState
    from provision.lab.spec import HostNic, Lab

Runs = tuple[Run, ...]

WHY = {
    "generic-receive-offload": "gathers what comes in from outside into large frames, which a TAP hands on whole",
    "rx-gro-hw": "gathers incoming segments in the NIC, and leaves them as they can be handed on",
    "large-receive-offload": "merges segments so that they cannot be handed on; the kernel switches it off on a bridge",
    "tcp-segmentation-offload": "takes large frames from the bridge without cutting them up first",
    "rx-usecs": "interrupt moderation: waiting longer lets GRO gather more at once, and costs latency",
    "adaptive-rx": "on, it overrules rx-usecs",
}
"""What a setting has to do with RSC; of others the lab file knows why."""
_WORDS = {"features": "features", "coalesce": "coalescing"}


def setting_word(value: int | bool) -> str:  # noqa: FBT001 - a setting's
    """A setting's value as ethtool takes it."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _lines(device: str, was: Mapping[str, object], wanted: Mapping[str, int | bool]) -> Iterator[str]:
    yield f"  {device}"
    for name, value in wanted.items():
        why = WHY.get(name, "the lab file says so")
        yield f"-   {name}: {was[name]}"
        yield f"+   {name}: {setting_word(value)}  ({why})"


def wrong_features(settings: HostNic, features: Features) -> dict[str, bool]:
    """Features that the NIC has otherwise than they are wanted."""
    return {
        name: on
        for name, on in settings.features.items()
        if name in features and features[name].active is not on
    }


def wanted_coalesce(settings: HostNic, found: Mapping[str, int | bool]) -> dict[str, int | bool]:
    """Coalescing as it is wanted, in `-C`'s words; adaptive coalescing is off where it would overrule what is said."""
    wanted = {coalesce_name(name): value for name, value in settings.coalesce.items()}
    for way in ("rx", "tx"):
        if f"{way}-usecs" in wanted and found.get(f"adaptive-{way}") is True:
            wanted.setdefault(f"adaptive-{way}", False)
    return wanted


def _kept(settings: HostNic, found: Mapping[str, int | bool] | None) -> HostNic:
    """Settings with what keeps them in force: adaptive coalescing is off where the NIC has it, whatever it is now."""
    could_be_on = dict.fromkeys(SWITCHES & (found or {}).keys(), True)
    return settings.model_copy(update={"coalesce": wanted_coalesce(settings, could_be_on)})


def wrong_coalesce(settings: HostNic, found: Mapping[str, int | bool]) -> dict[str, int | bool]:
    """Coalescing that the NIC has otherwise than it is wanted."""
    wanted = wanted_coalesce(settings, found)
    return {name: value for name, value in wanted.items() if name in found and found[name] != value}


def _asked_for(features: Features, names: Iterable[str]) -> dict[str, bool]:
    """What setting these changes, as it was asked for when it was found: a group's kinds may be apart."""
    named = [*names]
    return {
        name: feature.requested
        for name, feature in features.items()
        if feature.requested is not None and not feature.fixed and any(is_of(name, said) for said in named)
    }


def sets(settings: HostNic, name: str) -> bool:
    """Whether these settings say what a NIC's feature or coalescing of that name is to be."""
    coalesce = {coalesce_name(said) for said in settings.coalesce}
    coalesce |= {f"adaptive-{said[:2]}" for said in coalesce if said.endswith("-usecs")}
    return name in coalesce or any(is_of(name, said) for said in settings.features)


def put_back(device: str, was: Mapping[str, Mapping[str, Any]]) -> Runs:
    """The commands by which a NIC gets what the journal says it had."""
    features, coalesce = was.get("features", {}), was.get("coalesce", {})
    return (
        *([set_features(device, features)] if features else ()),
        *_coalesce_runs(device, coalesce),
    )


def _coalesce_runs(device: str, values: Mapping[str, int | bool]) -> Runs:
    """Adaptive coalescing goes off before what it would overrule is set, and on after it."""
    off = {name: value for name, value in values.items() if name in SWITCHES and not value}
    numbers = {name: value for name, value in values.items() if name not in SWITCHES}
    on = {name: value for name, value in values.items() if name in SWITCHES and value}
    return tuple(
        tolerant(
            "ethtool", "-C", device, *(word for name in part for word in (name, setting_word(part[name])))
        )
        for part in (off, numbers, on)
        if part
    )


def _set(
    where: tuple[str, str], do: Runs, was: Mapping[str, Mapping[str, Any]], lines: Iterator[str], **more: Any
) -> Step:
    """A step that sets something of a NIC, of which the journal notes how it `was`."""
    (host, device), [what] = where, was
    return Step(
        host,
        HOST,
        f"set {device}'s {_WORDS[what]}",
        f"hosts.{host}.nics.{device} declares it",
        do,
        put_back(device, was),
        (Thing("nic", device, was=json.dumps(was)),),
        tuple(lines),
        exclusive=False,
        guarded=True,
        **more,
    )


def nic_steps(lab: Lab, host: str, state: HostState) -> Iterator[Step]:
    """Settings of physical NICs that are not as the lab file declares them."""
    for device, settings in lab.host(host).nics.items():
        nic = state.nics.get(device)
        if nic is None or nic.features is None:
            continue
        if features := wrong_features(settings, nic.features):
            asked = {"features": _asked_for(nic.features, features)}
            lines = _lines(device, nic.features, features)
            yield _set((host, device), (set_features(device, features),), asked, lines, features=features)
        if nic.coalesce and (values := wrong_coalesce(settings, nic.coalesce)):
            shown = {name: setting_word(value) for name, value in nic.coalesce.items()}
            had = {"coalesce": {name: nic.coalesce[name] for name in values}}
            yield _set((host, device), _coalesce_runs(device, values), had, _lines(device, shown, values))
        yield from _link_steps(lab, host, device, nic)


def is_ours(lab: Lab, text: str) -> bool:
    """Whether this lab wrote a .link file of this text."""
    return text.startswith(LAB_MARK.format(lab=escaped(lab.name)))


def _link_steps(lab: Lab, host: str, device: str, nic: NicState) -> Iterator[Step]:
    """The .link file that keeps a NIC's settings over a reboot: written, brought up to date, or removed."""
    settings, path = lab.host(host).nics[device], link_path(lab.name, device)
    ours = is_ours(lab, nic.link)
    wanted = ""
    if settings.persist == "link" and (settings.features or settings.coalesce) and not nic.connection:
        naming = carried_options(nic.naming) if nic.naming else DEFAULT_NAMING
        wanted = link_file(
            KeptNic(lab.name, host, device, nic.permanent_mac, _kept(settings, nic.coalesce)), naming
        )
    if wanted == nic.link or not (wanted or ours) or (nic.link and not ours):
        return
    undo = write_file(path, nic.link) if nic.link else remove_files(path)
    why = f"hosts.{host}.nics.{device}.persist is {settings.persist}: udev sets the NIC by it when it appears"
    yield Step(
        host,
        HOST,
        f"write {path}" if wanted else f"remove {path}",
        f"{device} is NetworkManager's by now, which keeps settings itself" if nic.connection else why,
        (write_file(path, wanted) if wanted else remove_files(path),),
        (undo,),
        (Thing("link-file", path),) if wanted else (),
        (
            *(f"- {line}" for line in nic.link.splitlines()),
            *(f"+ {line}" for line in wanted.splitlines()),
        ),
        exclusive=False,
    )


def nic_notes(lab: Lab, host: str, state: HostState) -> Iterator[str]:
    """What is left to the user: NetworkManager's NICs keep their settings by its own command."""
    for device, settings in lab.host(host).nics.items():
        nic = state.nics.get(device)
        if nic is not None and nic.connection and settings.persist == "link":
            yield (
                f"{device} is NetworkManager's, which keeps settings itself; to keep these, run on {host}: "
                f"{nm_command(nic.connection, _kept(settings, nic.coalesce))}"
            )


SHORT = {
    "generic-receive-offload": "gro",
    "generic-segmentation-offload": "gso",
    "tcp-segmentation-offload": "tso",
    "large-receive-offload": "lro",
    "rx-checksumming": "rx",
    "tx-checksumming": "tx",
    "scatter-gather": "sg",
    "rx-vlan-offload": "rxvlan",
    "tx-vlan-offload": "txvlan",
    "ntuple-filters": "ntuple",
    "receive-hashing": "rxhash",
}
"""The short word for a feature that ethtool takes and does not print, which is also NetworkManager's (nm-settings(5), 1.42)."""


def nm_command(connection: str, settings: HostNic) -> str:
    """The command that lets NetworkManager keep a NIC's settings."""
    words = [
        word
        for name, on in settings.features.items()
        for word in (f"ethtool.feature-{SHORT.get(name, name)}", setting_word(on))
    ]
    for name, value in settings.coalesce.items():
        words += [f"ethtool.coalesce-{coalesce_name(name)}", str(int(value))]
    return " ".join(["nmcli connection modify", connection, *words])
