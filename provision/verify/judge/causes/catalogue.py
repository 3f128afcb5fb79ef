"""The catalogue: every cause why RSC fails, rung by rung.

Ids are stable: other tools match on them. A cause is asked about one NIC and address family and answers what it saw, or
nothing. Within a rung the order of its file is the order of asking.
"""

from __future__ import annotations

from provision.tables.failure_reasons import BY_REASON, DECIDED
from provision.verify.judge.cause import Cause
from provision.verify.judge.causes import (
    configured,
    enabled,
    gathered,
    negotiated,
    observed,
    offered,
    operational,
    passed,
)

RUNGS = (configured, offered, negotiated, passed, gathered, enabled, operational, observed)

CATALOGUE = tuple(
    found
    for rung in RUNGS
    for found in vars(rung).values()
    if isinstance(found, Cause) and found.holds.__module__ == rung.__name__
)
"""Every cause, in the order of asking."""

_HOST_SIDE = "Capability"
"""Says no more than that a rung below fails."""
GUEST_REASONS = tuple(
    cause
    for name in DECIDED
    if name != _HOST_SIDE
    for cause in CATALOGUE
    if cause.id == BY_REASON[name].cause
)
"""Reasons for which a guest itself drops its offloads, in the order in which Windows decides."""
OF_THE_HOST = (
    passed.host_disabled_checksum,
    passed.host_disabled_segmentation,
    passed.segment_limit,
    passed.queueing_segments,
)
"""What the host does to a TAP, and no guest's veto explains."""
