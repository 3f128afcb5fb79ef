"""Causes at rung *gathered*: frames are not gathered, or are cut again, before they come to the TAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.verify.judge.cause import Fix, cause
from provision.verify.judge.fold import arrivals, told, walked

if TYPE_CHECKING:
    from provision.verify.evidence import Family, NicEvidence
    from provision.verify.judge.fold import Blame

_ON_PURPOSE = (
    "first see whether it is off on purpose: e1000e NICs that hang are run with tso and gso off, and on host kernel 6.10 GRO was "
    "switched off for frames that it damaged; then leave it until the driver or kernel is newer"
)
_KEPT = (
    "hosts, the host's nics: `{device}: {features: {generic-receive-offload: true}, persist: link}`, and `rscvm apply`, keep it "
    "over a reboot"
)


def _blamed(nic: NicEvidence, family: Family, blame: Blame) -> str:
    """Every source, where the first that does not come whole is to be blamed on this."""
    found = [each for _, each in arrivals(nic, family) if each.whole is False and each.at is not None]
    return told(walked(nic)) if found and found[0].blame == blame else ""


@cause(
    "gathered",
    _ON_PURPOSE,
    "ethtool -K {device} gro on rx-gro-list off; where gro_max_size is small: ip link set dev {device} gro_max_size 65536",
    Fix(_KEPT, "lab"),
    seen="on the host, along the way: `ethtool -k DEVICE`: `generic-receive-offload: off`, or `rx-gro-list: on`; "
    "`ip -details link show DEVICE`: a small gro_max_size",
    source="measured, kernel 6.18: frames of 1,5xx bytes at the guest without, of 11 to 31 kB with",
)
def gro_off(nic: NicEvidence, family: Family) -> str:
    """What comes in from a wire is in frames of one segment, and the device that could gather them does not."""
    return _blamed(nic, family, "gro-off")


@cause(
    "gathered",
    _ON_PURPOSE,
    "ethtool -K {device} tx on sg on tso on; a limit: ip link set dev {device} gso_max_size 65536 gso_max_segs 65535; queueing: "
    "tc qdisc replace dev {device} root …, tbf with a burst of 64 kB or more, cake with no-split-gso",
    "or let the device after it gather them again: ethtool -K PEER gro on, of a veth",
    seen="on the host, along the way: `ethtool -k DEVICE`: `tx-tcp-segmentation: off`, or what it needs; `ip -details link show "
    "DEVICE`; `tc qdisc show dev DEVICE`",
    source="measured, kernel 6.18: a veth between two bridges, and the bridge itself for what its host sends; Linux net/core/dev.c "
    "(validate_xmit_skb)",
)
def path_segments(nic: NicEvidence, family: Family) -> str:
    """A device before the TAP cuts large frames into segments, and none after it gathers them again."""
    return _blamed(nic, family, "path-segments")
