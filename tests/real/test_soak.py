"""Half a minute of random kills; `make soak` runs them for as long as it is told."""

from __future__ import annotations

import os
import random

from tests.real.soak import soak

SECONDS = 30


def test_nothing_is_left_and_nothing_foreign_touched_whenever_rscvm_is_killed() -> None:
    """SOAK_SEED replays a seed; `python -m tests.real.soak --seed S --round N` one round of it."""
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1 << 16))  # noqa: S311 - no secret

    outcome = soak(SECONDS, seed, lambda _: None, range(1 << 30))

    assert outcome.leaks == []
    assert outcome.kills > 0, f"seed {seed}"
