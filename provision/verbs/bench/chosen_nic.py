"""Which NIC of a machine is measured, and which cannot be, whatever its ladder says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.errors import HostError, RequestError
from provision.tables.backends import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict


def meant(verdicts: Sequence[NicVerdict], name: str) -> NicVerdict:
    """The NIC that is to be measured, by its name or MAC address, or because no other can be.

    :raise RequestError: when there is none of that name, or several can be meant.
    """
    named = [each for each in verdicts if not name or name in (each.evidence.nic, each.evidence.mac)]
    fit = [each for each in named if not _unfit(each.evidence)] or named
    if len(fit) == 1:
        return fit[0]
    names = ", ".join(f"{each.evidence.nic} ({each.evidence.mac})" for each in fit or verdicts) or "none"
    what = f"there is no {name}" if name and not named else "several can be meant" if fit else "it has none"
    raise RequestError(f"which NIC? {what}", hint=f"--nic NAME; its NICs: {names}")


def _unfit(nic: NicEvidence) -> str:
    """Why nothing can be switched at a NIC, whatever its state."""
    if nic.hck:
        return "it is for the HCK test (rsc: hck), and its TAP is not for ordinary traffic"
    if nic.rsc == "false":
        return "RSC is off at its device (rsc: false), so there is nothing to switch"
    if not (nic.kind in INTERFACES and INTERFACES[nic.kind].tap) and nic.state != "off":
        return f"it has no TAP of its own to switch ({nic.kind})"
    if nic.network:
        return "its TAP is in another network namespace than ours"
    return ""


def refuse(nic: NicEvidence) -> None:
    """Let nothing pass that cannot be measured whatever its ladder says.

    :raise RequestError: when there is nothing to switch.
    :raise HostError: when its machine does not run.
    """
    name = f"{nic.machine}.{nic.nic}"
    if why := _unfit(nic):
        raise RequestError(f"{name} cannot be measured: {why}")
    if nic.state != "running":
        raise HostError(f"{nic.machine} is {nic.state}: only what runs can be measured", hint="start it")
