"""What a host lacks for what NICs are to be on: bridges of Open vSwitch's, and libvirt's networks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.ovs import port_mark
from provision.host.preflight.rights import unless_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import HostState
    from provision.lab.spec import Lab, Nic
    from provision.render.view import MachineView

_NO_VLAN = (
    "is a Linux bridge: vlan needs an OVS bridge (libvirt 11.0 and later could on a Linux bridge that filters VLANs, "
    "which rscvm does not set up)"
)
_USERSPACE = (
    "is an OVS bridge whose packets go by ovs-vswitchd and not by the kernel (datapath_type netdev): whether large frames "
    "come whole through it nobody sees from here; say `rsc: false`"
)


def network_obstacles(lab: Lab, views: Sequence[MachineView], state: HostState) -> Iterator[str]:
    """Why NICs of these machines cannot be on what they name, as far as the host tells."""
    for view in views:
        for nic in view.nics:
            spec = nic.spec
            called = f"{view.name}.{spec.name}"
            if spec.network and state.silent:
                continue
            if spec.network:
                yield from (f"{called}: {why}" for why in _network(spec.network, state))
            elif spec.bridge in state.ovs.bridges:
                yield from (f"{called}: {why}" for why in _ovs(lab, view, spec, state))
            elif spec.vlan:
                declared = lab.host(state.name).bridges.keys() | state.links.keys()
                if spec.bridge in declared:
                    yield f"{called}: {spec.bridge} {_NO_VLAN}"


def _ovs(lab: Lab, view: MachineView, nic: Nic, state: HostState) -> Iterator[str]:
    bridge, port = state.ovs.ports.get(nic.ifname, ("", None))
    if state.ovs.trouble:
        if view.spec.backend == "qemu":
            yield unless_root(
                state, f"Open vSwitch, whose bridge {nic.bridge} is, cannot be asked: {state.ovs.trouble}"
            )
        return
    if state.ovs.bridges[nic.bridge or ""].userspace and nic.profile == "true":
        yield f"{nic.bridge} {_USERSPACE}"
    ours = port is not None and port.mark == port_mark(lab, view.name, nic.ifname)
    if port is not None and not ours and nic.ifname not in state.links:
        yield f"{bridge} has a port {nic.ifname} already, which is not ours (set ifname, or `ovs-vsctl del-port {nic.ifname}`)"


def _network(name: str, state: HostState) -> Iterator[str]:
    found = state.networks.get(name)
    if found is None:
        yield f"libvirt has no network {name} (`virsh net-list --all` tells which it has)"
    elif not found.facts.bridge:
        how = found.facts.mode or "none"
        yield f"libvirt's network {name} has no bridge (forward mode {how}), so its machines have no TAP: say `macvtap:` or `bridge:`"
    elif not found.active:
        yield f"libvirt's network {name} is not active (virsh net-start {name})"
