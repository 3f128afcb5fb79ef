"""The scripts that are run in guests."""

from __future__ import annotations

from provision.runtime.guest_channel import Script, System


def question_for(system: System) -> Script:
    """What a guest is asked of its NICs and of what bears on RSC."""
    return Script("powershell" if system == "windows" else "sh", "rsc", "")
