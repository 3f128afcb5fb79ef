"""The reference for a domain of no lab file: a definition without the offloads, and the old one back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from provision.facts.domain_tree import attribute, read_domain
from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError
from provision.runtime.given_back import given_back
from provision.runtime.interrupt import shield
from provision.tables.offloads import BY_NAME
from provision.verbs.fix.domain_edit import SetValue
from provision.verbs.fix.redefine import power_cycle, redefine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.runtime.command import Say
    from provision.runtime.protocols import Domain, Libvirt
    from provision.verify.evidence import NicEvidence

_SHUTS = 300
"""Seconds within which a guest that is asked to shuts down; `fix --restart` waits as long."""
_OFF = ("guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo")
"""What `rsc: false` has off, of what libvirt has a word for."""


@contextmanager
def domain_without_offloads(
    libvirt: Libvirt, nic: NicEvidence, keep: Callable[[str, str], str], say: Say, seconds: float = _SHUTS
) -> Iterator[None]:
    """Let a domain run without guest checksum and TSO at a NIC for the block; then as before, by its own old definition.

    Its guest is asked to shut down, for which it has so many seconds, both times, and nothing is pulled. Who is killed meanwhile leaves the edit in the
    definition; the old one has been kept, and its file told.

    :raise HostError: when it has no definition of its own, the edit is refused, or the guest does not shut down.
    """
    name, domain = nic.machine, libvirt.domain(nic.machine)
    if domain is None or not domain.persistent_xml:
        raise HostError(
            f"{name} has no definition that could be edited and put back", hint="leave out --reference"
        )
    kept = None
    try:
        with shield():
            kept = redefine(libvirt, domain, _edits(domain, nic), keep)
        say(f"defined {name} without guest checksum and TSO; as it was: {kept.path}")
        power_cycle(libvirt, name, kept, Deadline(seconds), say)
    except BaseException:
        if kept is not None:
            with shield():
                libvirt.define(kept.xml)
        raise

    def give() -> None:
        libvirt.define(kept.xml)
        say(f"defined {name} as it was; waiting up to {seconds:.0f} s for its guest to shut down")
        power_cycle(libvirt, name, None, Deadline(seconds), say)

    with given_back(give, say):
        yield


def _edits(domain: Domain, nic: NicEvidence) -> list[SetValue]:
    """The NIC's offloads off in its domain's definition.

    :raise HostError: when the definition has no one NIC of its MAC address.
    """
    nics = list(read_domain(domain.persistent_xml).iterfind("devices/interface"))
    found = [
        at for at, each in enumerate(nics) if attribute(each, "mac", "address").lower() == nic.mac.lower()
    ]
    if len(found) != 1:
        raise HostError(
            f"{nic.machine}'s definition has {len(found)} NICs of {nic.mac}", hint="leave out --reference"
        )
    places = (BY_NAME[name].libvirt for name in _OFF)
    return [
        SetValue(found[0], ("driver", place[0]), place[1], "off") for place in places if place is not None
    ]
