"""What must not be on the bridge of a NIC with QEMU's HCK engine, as a host shows it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.marks import marked_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.ip import Link
    from provision.host.state import HostState, Inventory
    from provision.lab.spec import Lab
    from provision.render.view import MachineView

_Owner = tuple[str, str]
"""A machine and its purpose."""


def not_isolated(lab: Lab, views: Sequence[MachineView], state: HostState) -> Iterator[str]:
    """Why these machines must not come up: what is beside a NIC with `rsc: hck`, of theirs or one that runs.

    A bridge that is not there yet carries nothing; what the lab file says of it was checked when it was read.
    """
    owners = _owners(lab, state)
    for view in views:
        for nic in view.nics:
            name, own = f"{view.name}.{nic.spec.name}", state.links.get(nic.spec.ifname)
            network = state.networks.get(nic.spec.network or "")
            name_of = nic.spec.bridge or (network.facts.bridge if network else "")
            bridge = state.links.get(name_of or (own.master if own else ""))
            others = [link for link in state.links.values() if link.name != nic.spec.ifname]
            if nic.spec.profile == "hck":
                for why in (
                    *_above(nic.spec.ifname, others),
                    *_carried(lab, bridge, others, owners, state),
                ):
                    yield f"{name} is `rsc: hck`, and {why}"
            elif view.spec.purpose != "hck" and bridge:
                for why in _beside(bridge, others, state.engines):
                    yield f"{name} is on {why}"


def _beside(bridge: Link, others: Sequence[Link], engines: Mapping[str, str]) -> Iterator[str]:
    for link in others:
        if link.master == bridge.name and link.name in engines:
            yield f"{bridge.name}, which carries {link.name} of {engines[link.name]}: that runs with QEMU's HCK engine"


def _above(tap: str, others: Sequence[Link]) -> Iterator[str]:
    for link in others:
        if tap and link.lower == tap:
            yield f"its TAP {tap} is under {link.name} ({link.kind}), which leads elsewhere"


def _owners(lab: Lab, state: Inventory) -> dict[str, _Owner]:
    """The machines of our TAPs, as they were last defined or started, else as the lab file has them."""
    here = {name: machine for name, machine in lab.machines.items() if machine.host == state.name}
    said = {nic.ifname: (name, machine.purpose) for name, machine in here.items() for nic in machine.nics}
    noted = {
        str(nic.get("ifname", "")): (name, str(spec.get("purpose", "production")))
        for name, spec in state.journal.specs.items()
        for nic in spec.get("nics", ())
    }
    return {**said, **noted}


def _carried(
    lab: Lab, bridge: Link | None, others: Sequence[Link], owners: Mapping[str, _Owner], state: Inventory
) -> Iterator[str]:
    if bridge is None:
        return
    name = bridge.name
    if bridge.kind == "openvswitch" or name in state.ovs.bridges:
        yield f"{name} is Open vSwitch's: what else it carries cannot be seen"
    for link in others:
        if link.lower == name:
            yield f"{name} is under {link.name} ({link.kind}), which leads elsewhere"
        if link.master == name and not link.tap:
            yield f"{name} has an uplink: {link.name} ({link.kind or 'a physical NIC'})"
        elif link.master == name:
            foreign = bool(link.alias) and marked_machine(lab, link, state.journal) is None
            machine, purpose = owners.get(link.name, ("", "")) if not foreign else ("", "")
            if not machine:
                yield f"{name} carries {link.name}, and nothing says that its machine is `purpose: hck`"
            elif purpose != "hck":
                yield f"{name} carries {link.name} of {machine}, which is `purpose: {purpose}`"
