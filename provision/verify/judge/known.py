"""Which known issues a NIC has or may have, by what was seen of it, its host, its QEMU and its guest. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from provision.tables.issue_conditions import When
from provision.tables.known_issues import KNOWN_ISSUES
from provision.verify.judge.conditions import CONDITIONS, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.tables.issue_conditions import KnownIssue
    from provision.verify.evidence import NicEvidence

_NOTHING = When()
_STATED = {
    issue.id: tuple(
        each.name for each in fields(When) if getattr(issue.when, each.name) != getattr(_NOTHING, each.name)
    )
    for issue in KNOWN_ISSUES
}
"""What each row asks."""


@dataclass(frozen=True, slots=True)
class Match:
    """A known issue that a NIC has, or may have."""

    issue: KnownIssue
    by: tuple[str, ...]
    """What was seen."""
    untold: tuple[str, ...] = ()
    """What is not known and would have to hold, too."""

    @property
    def words(self) -> str:
        """For a reader, in a sentence."""
        issue = self.issue
        fits = "may be its, by" if self.untold else "fits"
        unknown = f" (not known: {', '.join(self.untold)})" if self.untold else ""
        return (
            f"known issue {issue.id} {fits} {', '.join(self.by)}{unknown}: {issue.title}. What helps: {issue.workaround} "
            f"(as of {issue.read}; `rscvm explain {issue.id}`)"
        )


def matches(nic: NicEvidence) -> Iterator[Match]:
    """The known issues that a NIC has; and those that it may have, where what is known is enough to say so."""
    if nic.model != "virtio":
        return
    for issue in KNOWN_ISSUES:
        if match := _match(nic, issue):
            yield match


def _match(nic: NicEvidence, issue: KnownIssue) -> Match | None:
    seen: dict[str, Seen] = {}
    for name in _STATED[issue.id]:
        found = CONDITIONS[name](nic, issue.when)
        if found.holds is False:
            return None
        seen[name] = found
    untold = tuple(each.words for each in seen.values() if each.holds is None)
    enough = issue.enough and all(name in seen and seen[name].holds for name in issue.enough)
    if untold and not enough:
        return None
    by = dict.fromkeys(each.words for each in seen.values() if each.holds and each.words)
    return Match(issue, tuple(by), untold)
