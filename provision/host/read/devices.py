"""Reads a host's network devices and the features of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ethtool_features import FeaturesRead, parse_features
from provision.facts.ip import parse_links
from provision.facts.qdisc import QueueingRead, parse_queueing
from provision.runtime.command import NOT_FOUND, UNRECORDED, Run
from provision.runtime.errors import HostError
from provision.runtime.questions import Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.ip import Link
    from provision.runtime.command import Result


def _links(answer: Result) -> Mapping[str, Link]:
    return parse_links(answer.check().out)


def _features(answer: Result) -> FeaturesRead:
    """Also where there are none, and why."""
    if answer.status == NOT_FOUND:
        return FeaturesRead({}, "ethtool is not installed")
    try:
        return FeaturesRead(parse_features(answer.check().out))
    except HostError as error:
        return FeaturesRead({}, str(error))


def _queueing(answer: Result) -> QueueingRead | None:
    """Also where it cannot be read, and why; None in evidence that does not have it."""
    if answer.status == UNRECORDED:
        return None
    if answer.status == NOT_FOUND:
        return QueueingRead(trouble="tc is not installed")
    try:
        return parse_queueing(answer.check().out)
    except HostError as error:
        return QueueingRead(trouble=str(error))


LINKS = Question(Run(("ip", "-json", "-details", "-stats", "address", "show")), _links)
"""Every network device, with its counters and where it hangs."""

FEATURES = Question(Run(("ethtool", "--json", "-k", "*")), _features)
"""Of every device, in one call however many TAPs there are."""

QUEUEING = Question(Run(("tc", "-json", "qdisc", "show")), _queueing)
"""Every queueing discipline of every device."""
