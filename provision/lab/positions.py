"""Line and column of each value of a lab file, and how a place is spelled for its user."""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.runtime.errors import Fault
from provision.runtime.safe_text import escaped

Where = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, from 1."""


def spelled(where: Where) -> str:
    """A place as users write it: `machines.win2022.nics[0].queues`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return escaped(text)


@dataclass
class Positions:
    """Line and column of every value and every key, and the places whose value could not be read."""

    values: dict[Where, Place] = field(default_factory=dict)
    keys: dict[Where, Place] = field(default_factory=dict)
    broken: set[Where] = field(default_factory=set)

    def forget(self, where: Where, data: object) -> None:
        """Drop the places of data that `<<` brought and that has been overlaid."""
        self.values.pop(where, None)
        self.keys.pop(where, None)
        inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        for key, value in inner:
            self.forget((*where, key), value)

    def known(self, where: Where) -> Where:
        """The place without the parts that pydantic adds for itself and the file does not have."""
        found: Where = ()
        for part in where:
            if (*found, part) in self.values:
                found = (*found, part)
        return found

    def fault(self, where: Where, message: str, *, at_key: bool = False) -> Fault:
        """A fault at a value or its key; what is missing is said of the mapping that misses it."""
        known = self.known(where)
        line, column = (self.keys if at_key else self.values).get(known) or self.values.get(known, (1, 1))
        return Fault(line, column, spelled(where), message)
