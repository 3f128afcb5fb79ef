"""Reads in one round trip a host's network devices, their features, and the QEMUs that hold its TAPs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from provision.facts.ethtool_features import FeaturesRead, parse_features
from provision.facts.ip import parse_links
from provision.facts.qdisc import QueueingRead, parse_queueing
from provision.host.read.devices import FEATURES, LINKS, QUEUEING
from provision.host.read.processes import FORWARDING, LISTENING, QEMUS, RELEASE
from provision.runtime.command import Run
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.questions import Question, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.ip import Link
    from provision.facts.processes import Network, Processes
    from provision.runtime.protocols import Runner
    from provision.verify.evidence import Way

UPTIME = Question(Run(("cat", "/proc/uptime")), lambda answer: _seconds(answer.check().out))
"""The host's own clock, because answers are under way for a while."""


@dataclass(frozen=True)  # without slots: what is worked out of it once is kept for a host's many NICs
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
    """The devices of the default routes that are in use."""
    routed: frozenset[str] = frozenset()
    """The devices that any route leads by."""
    forwards: bool = True
    """Whether the host forwards at all; of other namespaces nobody asks."""
    walked: dict[tuple[str, str], tuple[Way, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The ways that `ways_to` has found by now, by network namespace and bridge."""

    @property
    def release(self) -> str:
        """The release of the host's kernel; empty where nobody looked."""
        return self.qemus.noted.get(RELEASE, "").strip() if self.qemus else ""

    @property
    def gathers_lists(self) -> bool:
        """Whether the host's kernel gathers TCP into lists where it is told to (since Linux 6.10)."""
        version = [int(word) for word in self.release.split(".")[:2] if word.isdecimal()]
        return len(version) < 2 or version >= [6, 10]

    @cached_property
    def ports(self) -> Mapping[str, list[Link]]:
        """The devices that belong to another one, by its name: a bridge's, a bond's, an Open vSwitch's."""
        found = defaultdict(list)
        for link in self.links.values():
            found[link.master].append(link)
        return dict(found)

    @cached_property
    def uppers(self) -> Mapping[str, list[Link]]:
        """The devices that lie on another one, by its name; of a veth its peer."""
        found = defaultdict(list)
        for link in self.links.values():
            found[link.lower].append(link)
        return dict(found)

    @cached_property
    def networks(self) -> Mapping[str, TapsRead]:
        """Every network namespace that was read, our own under an empty name."""
        own = self.qemus.reader.namespaces.get("net") if self.qemus and self.qemus.reader else None
        others = self.qemus.networks.items() if self.qemus else ()
        return {"": self} | {name: self._of(there) for name, there in others if name != own}

    def of(self, network: str) -> TapsRead:
        """What was read in a network namespace; our own by an empty name."""
        if not network or self.qemus is None or self.qemus.reader is None:
            return self
        if network == self.qemus.reader.namespaces.get("net"):
            return self
        return self.networks.get(network) or self._of(None)

    def _of(self, there: Network | None) -> TapsRead:
        if there is None or not there.links:
            unread = "the devices of its QEMU's network namespace cannot be read"
            return replace(self, links={}, features=FeaturesRead({}, unread))
        try:
            return replace(
                self,
                links=parse_links(there.links),
                features=FeaturesRead(parse_features(there.features)),
                queueing=None if self.queueing is None else _queueing(there.queueing),
                uplinks=there.uplinks,
                routed=there.routed,
                forwards=True,
            )
        except UnreadableError as error:
            return replace(self, links={}, features=FeaturesRead({}, str(error)))

    @classmethod
    def none(cls, why: str) -> Self:
        """Nothing was read, and why."""
        return cls(FeaturesRead({}, why))


def _queueing(text: str) -> QueueingRead:
    """Of another network namespace, where an answer is empty when there was none: each has a loopback device at least."""
    return parse_queueing(text) if text.strip() else QueueingRead(trouble="tc tells nothing there")


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
            own.routed if own else frozenset(),
            forwards=read is None or any(read.noted.get(path, "1") != "0" for path in FORWARDING),
        )
    except HostError as error:
        return TapsRead.none(str(error))


def _seconds(text: str) -> float:
    try:
        return float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError) as error:
        raise UnreadableError("/proc/uptime", text) from error
