"""The catalogue: every cause why RSC fails, rung by rung.

Ids are stable: other tools match on them. A rule is asked about one NIC and address family and answers what it saw, or
nothing. Within a rung the order of its file is the order of asking.
"""

from __future__ import annotations

from provision.verify.judge.cause import CAUSES
from provision.verify.judge.causes import configured, negotiated, observed, offered, passed
from provision.verify.judge.ladder import ORDER

RUNGS = (configured, offered, negotiated, passed, observed)
"""Each enters its causes by being imported."""

CATALOGUE = tuple(sorted(CAUSES, key=lambda cause: ORDER.index(cause.rung)))
"""Every cause, in the order of asking."""
