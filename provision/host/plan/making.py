"""Makes TAPs and bridges so that what bears the name that we give has our mark, also when we are killed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.host.marks import unfinished_name
from provision.host.plan.device_drift import set_link
from provision.runtime.command import Run, shell

if TYPE_CHECKING:
    from provision.lab.spec import Lab
    from provision.runtime.command import Argv

# A kernel without IPv6 knows no such mode, and makes no such address.
_SILENT = '[ ! -e /proc/sys/net/ipv6 ] || ip link set dev "$1" addrgenmode none'

_MAKE = (
    f"silence() {{ {_SILENT}; }}"
    r"""
name=$1 made=$2 mark=$3 silent=$4
shift 4
gone() { ! ip link show dev "$made" >/dev/null 2>&1 || ip link del dev "$made"; }
finish() {
    ip link set dev "$made" alias "$mark" || return
    [ -z "$silent" ] || silence "$made" || return
    ip link set dev "$made" name "$name"
}
gone && "$@" && finish && exit
status=$?
gone
exit "$status"
"""
)

_UNMAKE = r"""
for each in "$1" "$2"; do
    said=$(ip link show dev "$each" 2>/dev/null) || continue
    [ "$each" = "$2" ] || printf '%s\n' "$said" | grep -qxF -e "    alias $3" || continue
    ip link del dev "$each" || exit
done"""

SCRIPTS = {"make": _MAKE, "unmake": _UNMAKE, "silent": _SILENT}
"""Every constant script above, for the linter."""


@dataclass(frozen=True, slots=True)
class Made:
    """A device that is to be made."""

    name: str
    mark: str
    add: Argv
    """The command that makes it."""
    more: tuple[Argv, ...]
    """What follows, in this order."""
    silent: bool = False
    """Whether it is to have no IPv6 address of its own."""

    @property
    def commands(self) -> list[Argv]:
        """All that makes it, for a script that people read; the mark last."""
        silent = [("sh", "-c", _SILENT, "sh", self.name)] if self.silent else []
        return [self.add, *silent, *self.more, set_link(self.name, "alias", self.mark)]

    def make(self, lab: Lab) -> tuple[Run, ...]:
        """Make it under a name that nobody else gives, mark it, give it its own name, and set the rest.

        The first command does all or nothing, and fails where something of that name is there.
        """
        made = unfinished_name(lab, self.name)
        add = tuple(made if word == self.name else word for word in self.add)
        silent = "silent" if self.silent else ""
        return (shell(_MAKE, self.name, made, self.mark, silent, *add), *map(Run, self.more))

    def unmake(self, lab: Lab) -> Run:
        """Remove it where it bears its mark or is unfinished; anybody else's of that name stays."""
        return shell(_UNMAKE, self.name, unfinished_name(lab, self.name), self.mark)
