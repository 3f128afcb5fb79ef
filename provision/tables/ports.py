"""TABLE: where q35 has room for PCIe root ports, behind each of which is one device."""

from __future__ import annotations

PORTS_PER_SLOT = 8
FIRST_PORT_SLOT, LAST_PORT_SLOT = 2, 30
MOST_PORTS = PORTS_PER_SLOT * (LAST_PORT_SLOT - FIRST_PORT_SLOT + 1)
