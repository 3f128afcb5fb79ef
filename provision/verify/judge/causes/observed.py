"""Causes at rung *observed*: traffic does not arrive in large frames, though every layer would hand it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.offloads import MANGLEID
from provision.verify.evidence import Unasked
from provision.verify.judge.cause import TAP_COUNTERS, Fix, always, cause
from provision.verify.judge.flows import coalesced, traffic_words
from provision.verify.judge.ladder import cuts_one_number, unexplained

if TYPE_CHECKING:
    from provision.verify.evidence import Family, NicEvidence

_SAMPLE = "on the host, a sample of the frames that leave by the TAP, with their times and the size of their segments"


@cause(
    "observed",
    f"`ethtool -K {{tap}} {MANGLEID} on`; that lasts as long as the TAP: `rscvm explain tap-offloads` has how to keep it",
    Fix(
        "`mangleid: true` of the NIC keeps it: `rscvm apply` sets it now, and `rscvm up` at each start", "lab"
    ),
    "or the sender counts its IP IDs, on FreeBSD: `sysctl net.inet.ip.rfc6864=0`",
    seen=f"{_SAMPLE}: one IP ID for all; and `ethtool -k TAP`: `{MANGLEID}: off`",
    source="Linux net/core/dev.c (gso_features_check) and net/ipv4/af_inet.c (inet_gro_receive); measured, kernel 6.18: frames "
    "of 1,510 bytes without, of 13,493 with",
)
def fixed_id_sender(nic: NicEvidence, family: Family) -> str:
    """The sender gives all its IPv4 packets one IP ID (FreeBSD, macOS): GRO gathers them, and the TAP cuts them again."""
    if family != "ipv4" or isinstance(nic.features, Unasked) or not cuts_one_number(nic):
        return ""
    return f"{MANGLEID} is {nic.features[MANGLEID]} on the TAP, and flows of one IP ID arrive in frames of one segment"


@cause(
    "observed",
    "look at the sender: its own TSO where it is this host or one of its other guests (`ethtool -k DEVICE` there), and how fast it "
    "sends; no fault of this host's is known",
    "watch while one TCP stream runs as fast as it can, so that nothing else is in the sample",
    unknown=always,
    seen=f"{_SAMPLE}: frames of one segment, back to back, that GRO would have gathered",
    source="measured, kernel 6.18: frames that were cut are less than 1 µs apart at the TAP; a sender of 8 Mb/s looks cut, too",
)
def not_coalesced(nic: NicEvidence, family: Family) -> str:
    """TCP comes in frames of one segment, and nothing that rscvm knows explains it; this speaks against nothing."""
    why = "" if family == "ipv4" and cuts_one_number(nic) else unexplained(nic, family)
    return f"{traffic_words(nic)}; {why}" if why else ""


@cause(
    "observed",
    "send the guest something while it is watched (iperf3 from the host), or watch for longer",
    unknown=always,
    seen=f"{TAP_COUNTERS}: what the host sent to the TAP has hardly grown, or in small frames only; or {_SAMPLE}: none of them back to back",
    source="Linux drivers/net/tun.c: what a TAP counts as sent was handed to the guest",
)
def no_traffic(nic: NicEvidence, family: Family) -> str:
    """Too little came, too small or too slowly, to tell whether it would be coalesced; this speaks against nothing."""
    return traffic_words(nic) if nic.traffic is not None and coalesced(nic, family) is None else ""
