"""The catalogue: every cause why RSC fails, rung by rung.

Ids are stable: other tools match on them. A cause is asked about one NIC and address family and answers what it saw, or
nothing. Within a rung the order of its file is the order of asking.
"""

from __future__ import annotations

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

GUEST_REASONS = (
    enabled.offload_globally_disabled,
    enabled.nic_property_disabled,
    operational.ndis_compatibility,
    operational.wfp_compatibility,
    operational.forwarding_enabled,
)
"""Reasons for which a guest itself drops its offloads, in the order in which Windows decides."""
