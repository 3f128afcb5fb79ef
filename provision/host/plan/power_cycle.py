"""Step that defines a domain otherwise, with or without a power cycle. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.journal import Thing
from provision.host.plan.diff import text_diff
from provision.host.plan.steps import Action, Define, Destroy, Start, Step
from provision.render.machine import domain_xml

if TYPE_CHECKING:
    from provision.lab.spec import Lab
    from provision.render.view import MachineView
    from provision.runtime.protocols import Domain

Views = tuple["MachineView", "MachineView"]
"""A machine as it is, and as it is to be."""
Words = tuple[str, str]
"""What a step does, and why."""


def definition_step(lab: Lab, views: Views, domain: Domain, words: Words, *, cycle: bool) -> Step:
    """A domain defined otherwise, with `cycle` by a power cycle.

    The definition goes first: what libvirt refuses has then stopped nothing.
    """
    name, (before, after) = domain.name, (domain_xml(view) for view in views)

    def do(xml: str) -> tuple[Action, ...]:
        return (Define(xml), Destroy(name), Start(name)) if cycle else (Define(xml),)

    return Step(
        views[1].spec.host,
        name,
        *words,
        do(after),
        do(domain.persistent_xml or before),
        (Thing("domain", name, name, lab.host(views[1].spec.host).libvirt),),
        text_diff(*(domain_xml(view, digest=False) for view in views)),
        exclusive=False,
    )
