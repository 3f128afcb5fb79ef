"""TAPs as ports of Open vSwitch's bridges: joined, put right, taken off again. Pure.

A port is kept in OVS's own database and outlives its device, so it bears a mark of ours beside the TAP's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.marks import device_mark
from provision.host.plan.device_drift import DeviceDrift, set_link
from provision.runtime.command import Run, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.ip import Link
    from provision.facts.ovs import OvsRead
    from provision.host.state import Inventory
    from provision.lab.spec import Lab, Nic
    from provision.runtime.command import Argv

# ovs-vsctl succeeds also where ovs-vswitchd could not open the device: then its ofport is -1. The port goes with the
# next start of Open vSwitch, should nobody take it off (transient).
_JOIN = r"""
ovs() { ovs-vsctl --timeout=10 "$@"; }
bridge=$1 tap=$2 mark=$3 tag=$4
ovs -- --if-exists del-port "$tap" -- add-port "$bridge" "$tap" ${tag:+"tag=$tag"} \
    -- set Port "$tap" other_config:transient=true "external_ids:rscvm=\"$mark\"" || exit
[ "$(ovs get Interface "$tap" ofport)" = -1 ] || exit 0
echo "$bridge does not take $tap: $(ovs get Interface "$tap" error)" >&2
ovs --if-exists del-port "$tap"
exit 1
"""
_LEAVE = r"""
command -v ovs-vsctl >/dev/null || exit 0
mark=$(ovs-vsctl --timeout=10 --if-exists get Port "$1" external_ids:rscvm) || exit
[ "$mark" != "\"$2\"" ] || ovs-vsctl --timeout=10 --if-exists del-port "$1"
"""

_VSCTL = ("ovs-vsctl", "--timeout=10")

SCRIPTS = {"join": _JOIN, "leave": _LEAVE}
"""Every constant script above, for the linter."""


def port_mark(lab: Lab, machine: str, tap: str) -> str:
    """By which a port is known as ours; it names the TAP, which `down` knows also of a NIC that the lab file has no longer."""
    return device_mark(lab, machine, tap)


def join(lab: Lab, machine: str, tap: str, bridge: str, tag: int | None) -> Argv:
    """Make a TAP a port of a bridge, and of no other."""
    mark = port_mark(lab, machine, tap)
    return shell(_JOIN, bridge, tap, mark, "" if tag is None else str(tag)).argv


def leave(lab: Lab, machine: str, tap: str) -> Run:
    """Take a TAP's port off its bridge, where it is ours."""
    return shell(_LEAVE, tap, port_mark(lab, machine, tap))


def our_ports(lab: Lab, ovs: OvsRead) -> Iterator[tuple[str, str]]:
    """Ports that bear our mark, each with its machine."""
    for port, (_, row) in ovs.ports.items():
        machine = "".join(row.mark.split(" ")[2:3])
        if row.mark and row.mark == port_mark(lab, machine, port):
            yield port, machine


def may_be_port(tap: str, machine: str, lab: Lab, state: Inventory) -> bool:
    """Whether a TAP of ours is a port of ours, or may be: where Open vSwitch does not answer, the kernel tells."""
    link = state.links.get(tap)
    joined = bool(state.ovs.trouble) and link is not None and _is_joined(link, state)
    return joined or (tap, machine) in our_ports(lab, state.ovs)


def _is_joined(link: Link, state: Inventory) -> bool:
    master = state.links.get(link.master)
    return master is not None and master.kind == "openvswitch"


def port_drift(lab: Lab, machine: str, nic: Nic, state: Inventory) -> Iterator[DeviceDrift]:
    """How a TAP is on another bridge, or in another VLAN, than it is to be, where one of them is Open vSwitch's.

    Nothing where its ports are not known, and of a NIC that names no bridge.
    """
    if nic.bridge is None or state.ovs.trouble:
        return
    tap, wanted = nic.ifname, nic.bridge
    bridge, port = state.ovs.ports.get(tap, ("", None))
    do = join(lab, machine, tap, wanted, nic.vlan)
    if wanted not in state.ovs.bridges:
        if port is not None:
            off = (*_VSCTL, "--if-exists", "del-port", tap)
            yield DeviceDrift(tap, f"on bridge {bridge}", "", off, join(lab, machine, tap, bridge, port.tag))
    elif port is None:
        if master := state.links[tap].master:
            undo = set_link(tap, "master", master)
            yield DeviceDrift(tap, f"on bridge {master}", "", set_link(tap, "nomaster"), undo)
        yield DeviceDrift(tap, "", f"on bridge {wanted}", do, leave(lab, machine, tap).argv)
    elif bridge != wanted:
        undo = join(lab, machine, tap, bridge, port.tag)
        yield DeviceDrift(tap, f"on bridge {bridge}", f"on bridge {wanted}", do, undo)
    elif port.tag != nic.vlan:
        yield DeviceDrift(tap, _vlan(port.tag), _vlan(nic.vlan), _tag(tap, nic.vlan), _tag(tap, port.tag))


def _vlan(tag: int | None) -> str:
    return "no VLAN" if tag is None else f"vlan {tag}"


def _tag(tap: str, tag: int | None) -> Argv:
    words = ("clear", "Port", tap, "tag") if tag is None else ("set", "Port", tap, f"tag={tag}")
    return (*_VSCTL, *words)
