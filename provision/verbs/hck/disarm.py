"""The verb on machines for the HCK test: make ordinary ones of them. Edges are handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.apply.transaction import take_whole
from provision.host.marks import is_our_domain
from provision.host.preflight.machines import another_lab
from provision.host.read.host import read_host
from provision.runtime.errors import HostError
from provision.verbs.hck.plan import plan_disarm, undisarmable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.apply.session import Site
    from provision.host.plan.steps import Plan
    from provision.host.state import HostFound
    from provision.lab.spec import Lab
    from provision.runtime.command import Say


def disarm(site: Site, names: Sequence[str], say: Say, *, restart: bool) -> Plan:
    """Take QEMU's engine from these machines, until `up` gives it back; of what runs only with `restart`.

    :raise HostError: when a machine cannot be disarmed, and nothing has been touched; or when a step fails, and what
        was done has been taken back.
    """
    with site.alone(say):
        found = read_host(site.edges, site.lab, site.host, names, means=True)
        if sentences := [*obstacles(site.lab, names, found)]:
            raise HostError(f"{site.host} is not ready for this:\n  " + "\n  ".join(sentences))
        if not restart and (running := undisarmable(site.lab, names, found)):
            raise HostError(
                "\n  ".join(("nothing was changed:", *running)),
                hint="--restart ends it and starts it without them",
            )
        plan = plan_disarm(site.lab, site.host, names, found, restart=restart)
        return take_whole(site.edges, site.lab, plan, say)


def obstacles(lab: Lab, names: Sequence[str], found: HostFound) -> Iterator[str]:
    """Why these machines are not ours to disarm."""
    yield from another_lab(lab, found)
    for name in names:
        domain = found.domains.get(name)
        if lab.machines[name].backend == "libvirt" and domain is not None and not is_our_domain(lab, domain):
            yield f"{name}: a domain of that name is there and is not ours"
