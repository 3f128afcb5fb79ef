"""What keeps QEMU's engine away from everything else, as far as a host can tell: who else is on its bridge. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.ownership import marked_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.ip import Link
    from provision.found import HostFound
    from provision.spec import Lab
    from provision.view import MachineView

_Owner = tuple[str, str]
"""A machine and its purpose."""


def fenced(lab: Lab, views: Sequence[MachineView], found: HostFound) -> Iterator[str]:
    """Why these machines' NICs with `rsc: hck` must not come up: what their bridges carry besides.

    A bridge that is not there yet carries nothing; what the lab file says of it was checked when it was read.
    """
    owners = _owners(lab, found)
    for view in views:
        for nic in view.nics:
            own = found.links.get(nic.spec.ifname)
            bridge = nic.spec.bridge or (own.master if own else "")
            if nic.spec.profile != "hck" or bridge not in found.links:
                continue
            others = [link for link in found.links.values() if link.name != nic.spec.ifname]
            for why in _carried(lab, found.links[bridge], others, owners):
                yield f"{view.name}.{nic.spec.name} is `rsc: hck`, and {bridge} {why}"


def _owners(lab: Lab, found: HostFound) -> dict[str, _Owner]:
    """The machines of our TAPs, as they were last defined or started, else as the lab file has them."""
    here = {name: machine for name, machine in lab.machines.items() if machine.host == found.name}
    said = {nic.ifname: (name, machine.purpose) for name, machine in here.items() for nic in machine.nics}
    noted = {
        str(nic.get("ifname", "")): (name, str(spec.get("purpose", "production")))
        for name, spec in found.journal.specs.items()
        for nic in spec.get("nics", ())
    }
    return {**said, **noted}


def _carried(lab: Lab, bridge: Link, others: Sequence[Link], owners: Mapping[str, _Owner]) -> Iterator[str]:
    if bridge.kind == "openvswitch":
        yield "is Open vSwitch's: what else it carries cannot be seen"
    for link in others:
        if link.lower == bridge.name:
            yield f"is under {link.name} ({link.kind}), which leads elsewhere"
        if link.master == bridge.name and not link.tap:
            yield f"has an uplink: {link.name} ({link.kind or 'a physical NIC'})"
        elif link.master == bridge.name:
            foreign = bool(link.alias) and marked_machine(lab, link) is None
            machine, purpose = owners.get(link.name, ("", "")) if not foreign else ("", "")
            if not machine:
                yield f"carries {link.name}, and nothing says that its machine is `purpose: hck`"
            elif purpose != "hck":
                yield f"carries {link.name} of {machine}, which is `purpose: {purpose}`"
