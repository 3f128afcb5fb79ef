"""Causes at rung *gathered*: frames are not gathered, or are cut again, before they come to the TAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ip import DEFAULT_LIMITS, WHOLE
from provision.verify.evidence import FAMILIES
from provision.verify.judge.cause import Fix, cause
from provision.verify.judge.fold import GRO, arrivals, blamed, told, walked, without_tso

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.verify.evidence import Family, Hop, NicEvidence
    from provision.verify.judge.fold import Blame

_WORKAROUND = "first see whether it is off on purpose: an e1000e that hangs is run with tso, gso and gro off"
_KEPT = (
    "hosts, the host's nics: `{device}: {features: {generic-receive-offload: true}, persist: link}`, and `rscvm apply`, keep it "
    "over a reboot"
)


def _is_there(is_so: Callable[[Hop], bool]) -> Callable[[NicEvidence], bool]:
    """Whether that is so of the device that is to blame."""

    def when(nic: NicEvidence) -> bool:
        hop = blamed(nic)
        return hop is not None and is_so(hop)

    return when


def _has_gro_off(hop: Hop) -> bool:
    return hop.features is not None and GRO in hop.features and not hop.features[GRO].active


def _has_tso_off(hop: Hop) -> bool:
    return any(without_tso(hop, family) for family in FAMILIES)


def _has_small_limits(hop: Hop) -> bool:
    limits = hop.limits
    return min(limits.gso, limits.gso_ipv4) < WHOLE or limits.segments < DEFAULT_LIMITS.segments


_ELSEWHERE = Fix(
    "{device} is in another network namespace, and what is said of it here is to be run there (`nsenter --net=FILE`)",
    when=_is_there(lambda hop: bool(hop.network)),
)


def _blamed(nic: NicEvidence, family: Family, blame: Blame) -> str:
    """Every source, where the first that does not come whole is to be blamed on this."""
    found = [each for _, each in arrivals(nic, family) if each.whole is False and each.at is not None]
    return told(walked(nic)) if found and found[0].blame == blame else ""


@cause(
    "gathered",
    Fix(
        f"{_WORKAROUND}, and on host kernel 6.10 GRO was switched off for frames that it damaged; then leave it until the driver or "
        "kernel is newer",
        when=_is_there(_has_gro_off),
    ),
    _ELSEWHERE,
    Fix("`ethtool -K {device} gro on`", when=_is_there(_has_gro_off)),
    Fix("`ip link set dev {device} xdpgeneric off`", when=_is_there(lambda hop: hop.generic_xdp)),
    Fix("`ethtool -K {device} rx-gro-list off`", when=_is_there(lambda hop: hop.lists)),
    Fix(
        "`ip link set dev {device} gro_max_size 65536`",
        when=_is_there(lambda hop: not (hop.lists or hop.generic_xdp or _has_gro_off(hop))),
    ),
    Fix(_KEPT, "lab", _is_there(_has_gro_off)),
    seen="on the host, along the way: `ethtool -k DEVICE`: `generic-receive-offload: off`, or `rx-gro-list: on`; "
    "`ip -details link show DEVICE`: a small gro_max_size",
    source="measured, kernel 6.18: frames of 1,5xx bytes at the guest without, of 11 to 31 kB with",
)
def gro_off(nic: NicEvidence, family: Family) -> str:
    """What comes in from a wire is in frames of one segment, and the device that could gather them does not."""
    return _blamed(nic, family, "gro-off")


@cause(
    "gathered",
    Fix(f"{_WORKAROUND}; then leave it until the driver is newer", when=_is_there(_has_tso_off)),
    _ELSEWHERE,
    Fix("`ethtool -K {device} tx on sg on tso on`", when=_is_there(_has_tso_off)),
    Fix(
        "`ip link set dev {device} gso_max_size 65536 gso_max_segs 65535`",
        when=_is_there(_has_small_limits),
    ),
    Fix(
        "`tc qdisc del dev {device} root`; where a rate is wanted, tbf with a burst of 70 kB or more, htb, or cake with no-split-gso",
        when=_is_there(lambda hop: bool(hop.queueing)),
    ),
    Fix(
        "or let the veth's peer gather them again: `ethtool -K PEER gro on`",
        when=_is_there(lambda hop: hop.is_veth),
    ),
    seen="on the host, along the way: `ethtool -k DEVICE`: `tx-tcp-segmentation: off`, or what it needs; `ip -details link show "
    "DEVICE`: a small gso_max_size or gso_max_segs; `tc qdisc show dev DEVICE`: tbf with a small burst, or cake",
    source="measured, kernel 6.18: a veth between two bridges, and the bridge itself for what its host sends; Linux net/core/dev.c "
    "(validate_xmit_skb)",
)
def path_segments(nic: NicEvidence, family: Family) -> str:
    """A device before the TAP cuts large frames into segments, and none after it gathers them again."""
    return _blamed(nic, family, "path-segments")
