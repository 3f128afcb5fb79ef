"""What libvirt tells of a domain, and how long it may take for that."""

from __future__ import annotations

from typing import Any

from provision.edges.libvirt_monitor import binding

READING = 75.0
"""Seconds for a domain's two XMLs: for each libvirt 11 waits 30 s for a call that hangs on the domain's monitor, and
then answers all the same."""
LISTING = 10.0
"""Seconds for the XML of one domain of many."""


def read_domain(domain: Any) -> tuple[int, str, str, bool]:
    """State, live XML, persistent XML or nothing, and whether it starts with the host."""
    inactive, kept = binding().VIR_DOMAIN_XML_INACTIVE, bool(domain.isPersistent())
    starts = kept and bool(domain.autostart())
    return domain.state()[0], domain.XMLDesc(0), domain.XMLDesc(inactive) if kept else "", starts


def state_word(number: int) -> str:
    """A domain's state in our three words."""
    libvirt = binding()
    if number in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_NOSTATE}:
        return "off"
    paused = number in {libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED}
    return "paused" if paused else "running"
