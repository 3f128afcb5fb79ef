"""What a cause is, and the decorator that makes one of a function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from provision.tables.failure_reasons import BY_REASON
from provision.verify.evidence import Family, NicEvidence
from provision.verify.judge.guest_rungs import unasked, when_netkvm, when_windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Verdict = Literal["ready", "not-ready", "unknown"]
Scope = Literal["family", "nic", "beside"]
"""Of one address family; the NIC's own, which settles both families; or the NIC's own, beside its families."""
Rule = Callable[[NicEvidence, Family], str]


Audience = Literal["anyone", "lab", "libvirt", "qemu", "guest"]
_SAID_TO: dict[Audience, str] = {"lab": "lab file: ", "libvirt": "libvirt: ", "qemu": "QEMU: "}
"""Those who write a machine's definition, each in a language of its own."""
Span = tuple[str, bool]
"""A piece of a sentence, and whether it is code: a command, XML, an argument."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about a cause, and where: in the lab file, in libvirt's definition, on QEMU's command line, in the guest."""

    words: str
    """`{tap}` stands for the TAP's name, as `{bridge}`, `{machine}` and `{mac}` do for theirs; code is in backticks."""
    audience: Audience = "anyone"
    when: Callable[[NicEvidence], bool] = lambda _nic: True
    """Whether it is any use to a NIC that has the cause."""

    def spans(self, names: Mapping[str, str]) -> tuple[Span, ...]:
        """The words, after whom they are for, with these names in them; what has no name there stands in capitals."""
        pieces = enumerate(self.words.split("`"))
        told = [(named(piece, names), at % 2 == 1) for at, piece in pieces if piece]
        to = _SAID_TO.get(self.audience, "")
        return ((to, False), *told) if to else tuple(told)

    def __str__(self) -> str:
        """The words of nobody's in particular, after whom they are for."""
        return in_line(self.spans({"family": ""}))


def named(words: str, names: Mapping[str, str]) -> str:
    """The words with these names in place of `{tap}` and the others; TAP where there is none."""
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[1].upper()), words)


def in_line(spans: Sequence[Span]) -> str:
    """Spans as plain text: code in backticks, but where it stands alone, so that it can be copied as it is."""
    alone = len(_said(spans)) == 1
    return "".join(f"`{words}`" if code and not alone else words for words, code in spans)


def is_command(spans: Sequence[Span]) -> bool:
    """Whether they are code alone, but for to whom it is said."""
    said = _said(spans)
    return len(said) == 1 and said[0][1]


def _said(spans: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span[0] not in _SAID_TO.values()]


def spoken(fixes: Sequence[Fix], nic: NicEvidence) -> list[Fix]:
    """Those of the fixes that are said in the language of what the NIC's machine is defined by, and those in none."""
    theirs: set[Audience] = {nic.defined_in} if nic.defined_in else {"libvirt", "qemu"}
    if nic.rsc and any(fix.audience == "lab" for fix in fixes):
        theirs = {"lab"}
    return [fix for fix in fixes if fix.audience not in _SAID_TO or fix.audience in theirs]


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why RSC does not work, or cannot be known to."""

    id: str
    rung: str
    why: str
    fix: tuple[Fix, ...]
    holds: Rule
    """What was seen, where the cause holds; else nothing."""
    scope: Scope = "family"
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False
    """Whether it leaves open if RSC works, instead of saying that it does not."""
    seen: str = ""
    """With which tool, and on which line."""
    source: str = ""
    """Where that is known from."""

    def __call__(self, nic: NicEvidence, family: Family) -> str:
        """What was seen, where the cause holds; else nothing."""
        return self.holds(nic, family)

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


def always(_nic: NicEvidence) -> bool:
    """For causes that never say more than that nothing is known."""
    return True


def cause(
    rung: str,
    *fix: str | Fix,
    scope: Scope = "family",
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False,
    seen: str,
    source: str,
) -> Callable[[Rule], Cause]:
    """Make a cause of a rule: its name is the cause's id, and its docstring tells users why.

    :param fix: what to do; mere words are for anyone.
    :param seen: with which tool it is seen, and on which line.
    :param source: where that is known from.
    """

    def of(rule: Rule) -> Cause:
        name = rule.__name__.replace("_", "-")
        fixes = tuple(Fix(each) if isinstance(each, str) else each for each in fix)
        return Cause(
            name, rung, inspect.cleandoc(rule.__doc__ or ""), fixes, rule, scope, unknown, seen, source
        )

    return of


ASK = Fix(
    "`rscvm check --guest` asks the guest why, and `rscvm fix --guest` switches on what is off in it",
    "guest",
    unasked,
)


def windows_reason(name: str, *fix: Fix) -> Callable[[Rule], Cause]:
    """Make a cause of a rule about one of Windows' FailureReasons, whose words the table has; what else to do comes last."""
    row = BY_REASON[name]
    fixes = [Fix(words, "guest", when_netkvm if row.of_netkvm else when_windows) for words in row.fix]

    def of(rule: Rule) -> Cause:
        made = cause(row.rung, *fixes, *fix, seen=row.seen, source=row.source)(rule)
        return replace(made, why=row.meaning)

    return of
