"""What a cause is, and how a rule enters the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from provision.verify.evidence import Family, NicEvidence
from provision.verify.sources import SOURCES

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


CAUSES: list[Cause] = []


def always(_nic: NicEvidence) -> bool:
    """For causes that never say more than that nothing is known."""
    return True


def cause(
    rung: str,
    *fix: str,
    scope: Scope = "family",
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False,
) -> Callable[[Rule], Rule]:
    """Enter a rule into the catalogue: its name is the cause's id, and its docstring tells users why.

    How it is seen, and where that is known from, is its row in `sources`.
    """

    def enter(rule: Rule) -> Rule:
        name = rule.__name__.replace("_", "-")
        why, known = inspect.cleandoc(rule.__doc__ or ""), SOURCES[name]
        CAUSES.append(Cause(name, rung, why, fix, rule, scope, unknown, known.seen, known.source))
        return rule

    return enter
