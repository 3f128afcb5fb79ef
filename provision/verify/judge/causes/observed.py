"""Causes at rung *observed*: traffic does not arrive in large frames, though every layer would hand it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.verify.judge.cause import TAP_COUNTERS, always, cause
from provision.verify.judge.ladder import coalesced, traffic_words

if TYPE_CHECKING:
    from provision.verify.evidence import Family, NicEvidence


@cause(
    "observed",
    "frames from outside: `ethtool -K NIC gro on` for the host's physical NIC",
    "frames from this host or its other guests: the sender's own TSO (`ethtool -k DEVICE` there)",
    "watch while one TCP stream runs, so that nothing else is in the sample",
    seen=f"{TAP_COUNTERS}: bytes by packets of what the host sent to the TAP come to the MTU's size",
    source="measured, host to Linux guest with iperf3: frames of 64 kB on average with guest TSO, of 1.5 kB without",
)
def not_coalesced(nic: NicEvidence, _family: Family) -> str:
    """The TAP would hand on large frames, and those that came were of MTU size: whoever sent them did not aggregate."""
    return traffic_words(nic) if coalesced(nic) is False else ""


@cause(
    "observed",
    "send the guest something while it is watched (iperf3 from the host), or watch for longer",
    unknown=always,
    seen=f"{TAP_COUNTERS}: what the host sent to the TAP has hardly grown, or in small frames only",
    source="Linux drivers/net/tun.c: what a TAP counts as sent was handed to the guest",
)
def no_traffic(nic: NicEvidence, _family: Family) -> str:
    """Too little came, or too small, to tell whether it would be coalesced; this speaks against nothing."""
    return traffic_words(nic) if nic.traffic is not None and coalesced(nic) is None else ""
