"""A fault of a lab file before it has a line, and what else it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.lab.positions import Where
    from provision.lab.spec import Machine, Nic


@dataclass(frozen=True, slots=True)
class Complaint:
    """A fault before it has a line: where it is, what it says, and what else it rests on."""

    where: Where
    message: str
    rests_on: tuple[Where, ...] = ()
    at_key: bool = False
    """For what is missing: the key of the mapping that misses it is pointed at."""


@dataclass(frozen=True, slots=True)
class At:
    """One NIC and where it stands."""

    where: Where
    name: str
    machine: Machine
    nic: Nic

    @property
    def called(self) -> str:
        """As others' faults name it."""
        return f"{self.name}.nics[{self.where[-1]}]"

    def complain(self, key: str, message: str, *rests_on: str) -> Complaint:
        """A complaint about one of the NIC's keys; `rests_on` are others that it rests on."""
        machine = self.where[:-2]
        if machine[0] == "labs":  # the file has no such key
            return Complaint(machine, f"{self.where[-2]}[{self.where[-1]}]: {message}")
        others = (
            (*machine, key) if key in {"purpose", "backend", "accel"} else (*self.where, key)
            for key in rests_on
        )
        return Complaint((*self.where, key) if key else self.where, message, tuple(others))
