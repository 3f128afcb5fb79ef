"""What a cause is, and the decorator by which one enters the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from provision.verify.evidence import Family, NicEvidence

Verdict = Literal["ready", "not-ready", "unknown"]
Scope = Literal["family", "nic", "beside"]
"""Of one address family; the NIC's own, which settles both families; or the NIC's own, beside its families."""
Rule = Callable[[NicEvidence, Family], str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why RSC does not work, or cannot be known to."""

    id: str
    rung: str
    why: str
    fix: tuple[str, ...]
    holds: Rule
    """What was seen, where the cause holds; else nothing."""
    scope: Scope = "family"
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False
    """Whether it leaves open if RSC works, instead of saying that it does not."""
    seen: str = ""
    """With which tool, and on which line."""
    source: str = ""
    """Where that is known from."""

    def verdict(self, nic: NicEvidence) -> Verdict:
        """What the cause makes of a NIC or family that it holds for."""
        return "unknown" if self.unknown(nic) else "not-ready"


# Words that several causes share: what to do, what is asked, and which source says so.
POWER_CYCLE = "power-cycle the machine: a reboot from inside keeps the old device"
VIRTIO_STATUS = "QMP, x-query-virtio-status of /machine/peripheral/ALIAS/virtio-backend"
TAP_FEATURES = "on the host, `ethtool -k TAP`"
VIRTIO_NET_C = "QEMU hw/net/virtio-net.c"
TUN_C = "Linux drivers/net/tun.c (set_offload, tun_net_fix_features)"
INITIALIZE_RSC_STATE = "NetKVM Common/ParaNdis_Common.cpp (InitializeRSCState)"
RSC_DRAIN_SEG = f"{VIRTIO_NET_C} (virtio_net_rsc_drain_seg); measured, QEMU 7.2 and 10.0"
TAP_COUNTERS = "on the host, `ip -json -stats link show TAP` twice"

CAUSES: list[Cause] = []


def always(_nic: NicEvidence) -> bool:
    """For causes that never say more than that nothing is known."""
    return True


def cause(
    rung: str,
    *fix: str,
    scope: Scope = "family",
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False,
    seen: str,
    source: str,
) -> Callable[[Rule], Rule]:
    """Enter a rule into the catalogue: its name is the cause's id, and its docstring tells users why.

    :param fix: what to do, `{tap}` for the TAP's name.
    :param seen: with which tool it is seen, and on which line.
    :param source: where that is known from.
    """

    def enter(rule: Rule) -> Rule:
        name = rule.__name__.replace("_", "-")
        why = inspect.cleandoc(rule.__doc__ or "")
        CAUSES.append(Cause(name, rung, why, fix, rule, scope, unknown, seen, source))
        return rule

    return enter
