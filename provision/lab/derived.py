"""Names, MACs and TAP names that a lab file leaves out: derived, stable, free of collisions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.lab.spec import LabFile, Machine, Nic


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def derived_mac(lab: str, machine: str, nic: str) -> str:
    """A MAC beginning with 52 (locally administered, unicast); 40 bits keep labs of thousands apart."""
    digest = _digest("mac", lab, machine, nic)
    return ":".join(["52", *(digest[at : at + 2] for at in range(0, 10, 2))])


def derived_ifname(lab: str, machine: str, nic: str) -> str:
    """A TAP name of 15 bytes at the most: 8 hexadecimal digits, then as much of the machine's name as fits.

    Digits first, so that it can never begin with a name that libvirt takes for its own (vnet and the like).
    """
    return f"{_digest('tap', lab, machine, nic)[:8]}-{machine[:6]}"


def derived_bridge(lab: str, test_lab: str, network: str) -> str:
    """The name of a bridge that a test lab makes, of 15 bytes at the most."""
    return f"{_digest('bridge', lab, test_lab, network)[:7]}-{network}"


def named_nic(lab: str, machine: str, index: int, nic: Nic) -> Nic:
    """The NIC with its name, MAC and TAP name filled in."""
    name = nic.name or f"net{index}"
    ifname = nic.ifname or ("" if nic.kind == "user" else derived_ifname(lab, machine, name))
    return nic.model_copy(
        update={"name": name, "mac": nic.mac or derived_mac(lab, machine, name), "ifname": ifname}
    )


def named_machines(lab: str, file: LabFile) -> dict[str, Machine]:
    """The machines with every NIC's blanks filled in."""
    return {
        name: machine.model_copy(
            update={"nics": tuple(named_nic(lab, name, i, nic) for i, nic in enumerate(machine.nics))}
        )
        for name, machine in file.machines.items()
    }
