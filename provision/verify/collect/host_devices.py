"""Reads in one round trip a host's network devices, their features, and the QEMUs that hold its TAPs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from provision.facts.ethtool_features import FeaturesRead, parse_features
from provision.facts.ip import parse_links
from provision.facts.qdisc import QueueingRead, parse_queueing
from provision.host.read.devices import FEATURES, LINKS, QUEUEING
from provision.host.read.processes import LISTENING, QEMUS, RELEASE
from provision.runtime.command import Run
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.questions import Question, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.ip import Link
    from provision.facts.processes import Network, Processes
    from provision.runtime.protocols import Runner

UPTIME = Question(Run(("cat", "/proc/uptime")), lambda answer: _seconds(answer.check().out))
"""The host's own clock, because answers are under way for a while."""


@dataclass(frozen=True, slots=True)
class TapsRead:
    """A host's network devices at one moment."""

    features: FeaturesRead
    links: Mapping[str, Link] = field(default_factory=dict)
    uptime: float = 0.0
    qemus: Processes | None = None
    """Every QEMU of the host with the TAPs that it holds; None where nobody looked."""
    queueing: QueueingRead | None = None
    """None where nobody asked."""
    uplinks: tuple[str, ...] = ()
    """The devices of the default routes."""
    memo: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)
    """What was worked out of it once, for a host's many NICs."""

    @property
    def gathers_lists(self) -> bool:
        """Whether the host's kernel gathers TCP into lists where it is told to (since Linux 6.10)."""
        release = self.qemus.noted.get(RELEASE, "") if self.qemus else ""
        version = [int(word) for word in release.split(".")[:2] if word.isdecimal()]
        return len(version) < 2 or version >= [6, 10]

    def of(self, network: str) -> TapsRead:
        """What was read in a network namespace; our own by an empty name."""
        if not network or self.qemus is None or self.qemus.reader is None:
            return self
        if network == self.qemus.reader.namespaces.get("net"):
            return self
        if network not in self.memo:
            self.memo[network] = self._of(self.qemus.networks.get(network))
        found: TapsRead = self.memo[network]
        return found

    def _of(self, there: Network | None) -> TapsRead:
        if there is None or not there.links:
            unread = "the devices of its QEMU's network namespace cannot be read"
            return replace(self, links={}, features=FeaturesRead({}, unread))
        try:
            return replace(
                self,
                links=parse_links(there.links),
                features=FeaturesRead(parse_features(there.features)),
                queueing=None if self.queueing is None else parse_queueing(there.queueing),
                uplinks=there.uplinks,
            )
        except UnreadableError as error:
            return replace(self, links={}, features=FeaturesRead({}, str(error)))

    @classmethod
    def none(cls, why: str) -> Self:
        """Nothing was read, and why."""
        return cls(FeaturesRead({}, why))


def read_taps(runner: Runner, *, listening: bool = False, timed: bool = False) -> TapsRead:
    """Every device of the host; a host that does not answer is told as why nothing was read.

    :param listening: whether a QEMU is to be found by the path that its monitor listens at.
    :param timed: whether the host's clock is read, too.
    """
    qemus = LISTENING if listening else QEMUS
    try:
        answers = ask(runner, (FEATURES, LINKS, QUEUEING, *([UPTIME] if timed else []), qemus))
        read = answers[qemus]
        own = read.networks.get(read.reader.namespaces.get("net", "")) if read and read.reader else None
        return TapsRead(
            answers[FEATURES],
            answers[LINKS],
            answers.get(UPTIME, 0.0),
            read,
            answers[QUEUEING],
            own.uplinks if own else (),
        )
    except HostError as error:
        return TapsRead.none(str(error))


def _seconds(text: str) -> float:
    try:
        return float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError) as error:
        raise UnreadableError("/proc/uptime", text) from error
