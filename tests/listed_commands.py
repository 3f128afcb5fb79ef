"""Every command that there is, by its words."""

from __future__ import annotations

import click


def leaves(group: click.Group, before: str = "") -> dict[str, click.Command]:
    """Every command that is no group."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        path = before + name
        found |= leaves(command, f"{path} ") if isinstance(command, click.Group) else {path: command}
    return found
