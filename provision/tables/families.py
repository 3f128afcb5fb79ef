"""TABLE: address families, by our names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILY_NAMES: Mapping[str, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}
"""As people and Windows write them."""
