"""Steps for a libvirt domain: define it, define it anew, start it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.facts.domain_compare import differences, without_secrets
from provision.host.journal import Thing
from provision.host.plan.diff import added, changed, text_diff
from provision.host.plan.domain_drift import edits
from provision.host.plan.hck_flags import DISARMED, is_defined_without_flags, lab_without_flags
from provision.host.plan.power_cycle import definition_step
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Action, Autostart, Define, Destroy, Start, Step, Undefine
from provision.lab.identity import noted_spec, spec_digest
from provision.render.machine import domain_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.plan.diff import Diff
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.render.view import MachineView
    from provision.runtime.protocols import Domain


def domain_steps(lab: Lab, view: MachineView, state: HostState, *, redefine: bool = False) -> Iterator[Step]:
    """Define a machine's domain, or define it anew, and start it."""
    name, host, xml = view.name, view.spec.host, domain_xml(view)
    domain, supposed = state.domains.get(name), "supposed that " if state.silent else ""
    thing = (Thing("domain", name, name, lab.host(host).libvirt),)
    define: tuple[Action, ...] = (Define(xml),)
    if domain is None or not domain.persistent_xml:
        why = (
            f"{supposed}libvirt does not have it" if domain is None else "it runs, and its definition is gone"
        )
        undo: tuple[Action, ...] = (Undefine(name),) if domain is None else ()
        yield Step(host, name, f"define {name}", why, define, undo, thing, text_diff("", xml))
    elif arming := _arming(lab, view, domain, state):
        yield arming
    elif lines := (_anew if redefine else _redefinition)(lab, view, domain, state):
        reasons = ["as new machines are made (--redefine)"] if redefine else []
        reasons += ["the lab file has changed"] if definition_differs(domain.persistent_xml, view) else []
        why = " and ".join(reasons) or "it was edited by hand"
        undo = (Define(domain.persistent_xml),)
        yield Step(host, name, f"define {name} anew", why, define, undo, thing, lines)
    if domain is not None and domain.autostart and view.spec.purpose == "hck":
        what, why = f"switch off {name}'s autostart", "a machine for HCK never comes up by itself"
        lines = changed(f"{name}: autostart", f"{name}: no autostart")
        yield Step(
            host, name, what, why, (Autostart(name, on=False),), (Autostart(name, on=True),), diff=lines
        )
    if domain is None or domain.state == "off":
        lines = changed(f"{name}: off", f"{name}: running")
        why = f"{supposed}it is not running"
        yield Step(host, name, f"start {name}", why, (Start(name),), (Destroy(name),), thing, lines)


def _arming(lab: Lab, view: MachineView, domain: Domain, state: HostState) -> Step | None:
    """What gives a machine that was disarmed its HCK flags back; where it runs without them, by a power cycle."""
    cycle = domain.state != "off" and is_defined_without_flags(lab, view.name, domain.live_xml, state)
    if not (cycle or is_defined_without_flags(lab, view.name, domain.persistent_xml, state)):
        return None
    plain = resolved_view(lab_without_flags(lab, [view.name]), view.name, state)
    what = f"define {view.name} with its HCK flags again" + (", and power-cycle it" if cycle else "")
    return definition_step(lab, (plain, view), domain, (what, DISARMED), cycle=cycle)


def _anew(lab: Lab, view: MachineView, domain: Domain, state: HostState) -> Diff:
    """What becomes otherwise of a domain that is off where it is defined as a new one would be."""
    was = domain_xml(resolved_view(lab, view.name, state), digest=False)
    return text_diff(was, domain_xml(view, digest=False)) or edits(domain_xml(view), domain.persistent_xml)


def changes_if_redefined(lab: Lab, view: MachineView, state: HostState) -> tuple[str, ...]:
    """What a new domain would have otherwise than one that is there, which keeps what it was made with."""
    new = resolved_view(lab, view.name, state, redefine=True)
    if view.name not in state.domains or new.choices == view.choices:
        return ()
    told = [
        f"{found.path}: {found.was or 'nothing'} → {found.now or 'nothing'}"
        for found in without_secrets(differences, domain_xml(view), domain_xml(new))
    ]
    if new.root_ports != view.root_ports:
        told.append(
            f"{new.root_ports} PCIe root ports, {new.choices.layout.spare_ports} of them for NICs to come"
        )
    return tuple(told)


def _redefinition(lab: Lab, view: MachineView, domain: Domain, state: HostState) -> Diff:
    """How a domain's definition must change: with the lab file while it is off, and back from what was done by hand."""
    wanted, noted = domain_xml(view), noted_spec(view.spec, state.journal.specs.get(view.name))
    if not definition_differs(domain.persistent_xml, view):
        return edits(wanted, domain.persistent_xml)
    if domain.state != "off":
        return ()
    if noted is None:
        return edits(wanted, domain.persistent_xml) or added("settings that this lab file does not say")
    before = lab.model_copy(update={"machines": {**lab.machines, view.name: noted}})
    was = resolved_view(before, view.name, state)
    made = domain_xml(was)
    if edits(made, domain.persistent_xml):  # by hand as well: what is there is what will change
        return edits(wanted, domain.persistent_xml)
    return text_diff(domain_xml(was, digest=False), domain_xml(view, digest=False))


def definition_differs(xml: str, view: MachineView) -> bool:
    """Whether a domain was made from other settings than the lab file has."""
    mark = parse_domain(xml).mark if xml else None
    return mark is None or mark.digest != spec_digest(view.spec)
