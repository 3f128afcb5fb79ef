"""Why RSC fails: one function for each cause, with its condition, its words and its fix.

Ids are stable: other tools match on them. A rule is asked about one NIC and
address family and answers what it saw, or nothing. Order within a rung is the order of asking.
"""

from __future__ import annotations

import provision.verify.judge.causes.configured
import provision.verify.judge.causes.negotiated
import provision.verify.judge.causes.observed
import provision.verify.judge.causes.offered
import provision.verify.judge.causes.passed  # noqa: F401 - each enters its rules
from provision.verify.judge.cause import CAUSES

CATALOGUE = tuple(CAUSES)
"""Every cause, in the order of asking."""
