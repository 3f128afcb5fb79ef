"""The scripts that are run in guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.guest_channel import Script, System

if TYPE_CHECKING:
    from collections.abc import Sequence


def question_for(system: System) -> Script:
    """What a guest is asked of its NICs and of what bears on RSC."""
    return Script("powershell" if system == "windows" else "sh", "rsc", "")


def fix_script(system: System, cause: str, mac: str, families: Sequence[str]) -> Script:
    """What mends a cause in a guest, at the adapter of a MAC address and for these address families."""
    return Script("powershell" if system == "windows" else "sh", f"fix-{cause}", f"{mac}{families}")
