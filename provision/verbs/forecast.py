"""Says before a machine runs what the rung *gathered* will find of the bridges that it is to be on. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.ethtool_features import Feature, FeaturesRead, is_of
from provision.facts.ip import Link
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.ways import ways_to
from provision.verify.evidence import FAMILIES
from provision.verify.judge.fold import arriving_by, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.ethtool_features import Features
    from provision.lab.spec import Lab

_TAP = Link("a TAP", "tun", "", up=True, mtu=1500, master="", tap=True, carrier=True)


def way_notes(
    lab: Lab, host: str, names: Sequence[str], links: Mapping[str, Link], features: Mapping[str, Features]
) -> Iterator[str]:
    """Bridges of these machines to which large frames do not come whole, once what the lab file sets of NICs is set."""
    machines = (lab.machines[name] for name in names if lab.machines[name].host == host)
    asked = [nic for machine in machines for nic in machine.nics if nic.profile == "true" and nic.bridge]
    devices = dict(_meant(lab, host, features))
    for bridge in dict.fromkeys(nic.bridge for nic in asked if nic.bridge):
        there = {**_wired(lab, host, bridge, links), _TAP.name: replace(_TAP, master=bridge)}
        ways = ways_to(TapsRead(FeaturesRead(devices), there), "", _TAP.name)
        blames = [each.blame for family in FAMILIES for _, each in arriving_by(ways, family) if each.blame]
        if blames:
            yield f"large frames do not come whole to {bridge}: {told(ways)}; `rscvm explain {blames[0]}` tells more"


def _wired(lab: Lab, host: str, bridge: str, links: Mapping[str, Link]) -> Mapping[str, Link]:
    """The devices as they will be, where the bridge is made with its uplink."""
    said = lab.host(host).bridges.get(bridge)
    if bridge in links or said is None:
        return links
    addresses = (str(said.address),) if said.address else ()
    made = replace(_TAP, name=bridge, kind="bridge", tap=False, addresses=addresses)
    uplink = links.get(said.uplink or "")
    return {**links, bridge: made} | (
        {uplink.name: replace(uplink, master=bridge, carrier=True)} if uplink else {}
    )


def _meant(lab: Lab, host: str, features: Mapping[str, Features]) -> Iterator[tuple[str, Features]]:
    """The features by device, those that the lab file sets as it sets them."""
    settings = lab.host(host).nics
    for device, there in features.items():
        said = settings[device].features if device in settings else {}
        yield (
            device,
            {
                name: next(
                    (Feature(on, on, fixed=False) for word, on in said.items() if is_of(name, word)), feature
                )
                for name, feature in there.items()
            },
        )
