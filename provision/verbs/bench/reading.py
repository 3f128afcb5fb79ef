"""Reads in one round trip what a leg is made of: a TAP's counters and features, and processor times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.threads import ProcessorTimes, parse_processor_times
from provision.host.read.devices import FEATURES, LINKS
from provision.runtime.command import shell
from provision.runtime.errors import HostError
from provision.runtime.questions import Question, ask
from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO
from provision.verify.collect.host_devices import UPTIME

if TYPE_CHECKING:
    from provision.facts.ethtool_features import Features
    from provision.facts.ip import Link
    from provision.runtime.protocols import Runner
    from provision.verify.evidence import NicEvidence
    from provision.verify.gain.figures import Kind

# vhost's worker is a thread of QEMU's or a kernel thread (before Linux 6.4, and where 6.17 or so is told to), of one name.
_TIMES = r"""
cat "/proc/$1/task/"[0-9]*/stat 2>/dev/null
grep -shF " (vhost-$1) " /proc/[0-9]*/stat
head -n 1 /proc/stat
"""
SCRIPTS = {"processor times": _TIMES}
"""Every constant script above, for the linter."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A TAP and what works for it, at one moment."""

    link: Link
    features: Features
    uptime: float
    times: ProcessorTimes

    @property
    def kind(self) -> Kind | None:
        """Which leg the TAP is fit for now; None where some offloads are on and some off."""
        checksum, *tso = (self.features[name].active for name in (TAP_CHECKSUM, *TAP_TSO))
        if not (checksum or any(tso)):
            return "off"
        return "on" if checksum and any(tso) else None


def read_tap(runner: Runner, nic: NicEvidence) -> Reading:
    """The NIC's TAP now.

    :raise HostError: when it, or its QEMU, has gone, or cannot be read.
    """
    times = Question(shell(_TIMES, str(nic.pid)), lambda answer: parse_processor_times(answer.check().out))
    answers = ask(runner, (LINKS, FEATURES, UPTIME, times))
    link, features = answers[LINKS].get(nic.tap or ""), answers[FEATURES]
    if link is None:
        raise HostError(f"{nic.tap} has gone: did {nic.machine} end?")
    found = features.devices.get(link.name)
    if found is None or not {TAP_CHECKSUM, *TAP_TSO} <= found.keys():
        raise HostError(f"{link.name}'s features cannot be read: {features.trouble or 'ethtool tells none'}")
    return Reading(link, found, answers[UPTIME], answers[times])
