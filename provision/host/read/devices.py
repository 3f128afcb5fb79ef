"""Reads a host's network devices and the features of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ethtool_features import FeaturesRead, parse_features
from provision.runtime.command import NOT_FOUND, Run
from provision.runtime.errors import HostError

if TYPE_CHECKING:
    from provision.runtime.command import Result
    from provision.runtime.protocols import Runner


LINKS = Run(("ip", "-json", "-details", "-stats", "address", "show"))
"""Every network device, with its counters and where it hangs."""


FEATURES = Run(("ethtool", "--json", "-k", "*"))
"""Of every device, in one call however many TAPs there are."""


def read_features(runner: Runner) -> FeaturesRead:
    """The features of every device of the host."""
    return features_read(runner.run(FEATURES.argv))


def features_read(answer: Result) -> FeaturesRead:
    """What the answer to FEATURES comes to, also where there is none."""
    if answer.status == NOT_FOUND:
        return FeaturesRead({}, "ethtool is not installed")
    try:
        return FeaturesRead(parse_features(answer.check().out))
    except HostError as error:
        return FeaturesRead({}, str(error))
