"""Parses what a Windows guest answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.facts.guest import GuestFacts


def parse_windows_guest(text: str) -> GuestFacts:
    """What a Windows tells of itself and its adapters."""
    raise NotImplementedError(text)
