"""Asks Open vSwitch which bridges and ports it has, where the kernel shows that it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ovs import OvsBridge, OvsRead, parse_ovs
from provision.runtime.command import NOT_FOUND, Run
from provision.runtime.errors import HostError
from provision.runtime.questions import Question, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.ip import Link
    from provision.runtime.command import Result
    from provision.runtime.protocols import Runner

KIND = "openvswitch"
"""What the kernel calls its datapath, a bridge's own port, and any other internal one."""
_USERSPACE = "ovs-netdev"
"""The device that ovs-vswitchd keeps for bridges whose packets do not go by the kernel; theirs are TAPs."""


def _read(answer: Result) -> OvsRead:
    """Also where it cannot be asked, and why."""
    if answer.status == NOT_FOUND:
        return OvsRead(trouble="ovs-vsctl is not installed (Debian: openvswitch-switch)")
    try:
        return OvsRead(parse_ovs(answer.check().out))
    except HostError as error:
        return OvsRead(trouble=str(error))


_LISTS = (
    ("--columns=name,datapath_type,ports", "list", "Bridge"),
    ("--columns=_uuid,name,tag,external_ids", "list", "Port"),
)
OVS = Question(
    Run(("ovs-vsctl", "--timeout=5", "--format=json", *_LISTS[0], "--", *_LISTS[1])),
    _read,
)


def _shown(links: Mapping[str, Link]) -> dict[str, OvsBridge]:
    """The bridges that the kernel shows, which tells none from an internal port."""
    masters = {link.master for link in links.values()}
    return {name: OvsBridge() for name, link in links.items() if link.kind == KIND and name not in masters}


def read_ovs(runner: Runner, links: Mapping[str, Link]) -> OvsRead:
    """What Open vSwitch has; it is not asked where no device is its.

    :raise HostError: when the host does not answer.
    """
    if _USERSPACE not in links and not any(link.kind == KIND for link in links.values()):
        return OvsRead()
    found = ask(runner, [OVS])[OVS]
    return OvsRead(_shown(links), found.trouble) if found.trouble else found
