"""QEMU's command line taken apart, by what QEMU's documentation says of it and not by how we write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from provision.render.machine import qemu_argv
from provision.render.view import MachineView
from provision.runtime.errors import RequestError
from provision.tables.backends import BACKENDS

# Options with key=value lists, by the key that a first value without one is for (qemu-options, qemu_opts_parse).
_LISTS = {
    "-name": "guest", "-machine": "type", "-accel": "accel", "-m": "size", "-smp": "cpus", "-rtc": "",
    "-boot": "order", "-global": "", "-drive": "file", "-device": "driver", "-netdev": "type",
    "-chardev": "backend", "-mon": "chardev", "-vnc": "vnc", "-object": "qom-type", "-tpmdev": "type",
}  # fmt: skip
# Options that take one argument as it stands, whatever is in it.
_PLAIN = ("-uuid", "-kernel", "-initrd", "-append", "-pidfile", "-serial", "-display", "-cpu")
_FLAGS = ("-nodefaults", "-no-user-config", "-daemonize", "-S")
HCK_FLAGS = ("guest_rsc_ext", "rsc_interval")


def read_value(text: str, at: int) -> tuple[str, int]:
    """A value up to the next single comma, with doubled ones made one, and where it ends."""
    value = ""
    while at < len(text):
        if text[at] != ",":
            value += text[at]
            at += 1
        elif text[at : at + 2] == ",,":
            value += ","
            at += 2
        else:
            break
    return value, at


def read_options(text: str, implied: str) -> dict[str, str]:
    """`key=value,…`; a key without value is a switch that is on.

    :raise ValueError: when a key is there twice or has characters that no key has.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = next((i for i in range(at, len(text)) if text[i] in "=,"), len(text))
        if end < len(text) and text[end] == "=":
            key, (value, at) = text[at:end], read_value(text, end + 1)
        elif not found and implied:
            key, (value, at) = implied, read_value(text, at)
        else:
            key, value, at = text[at:end], "on", end
        if key in found or not key.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise ValueError(f"the key {key!r} in {text!r}")
        found[key] = value
        at += 1
    return found


@dataclass(frozen=True)
class CommandLine:
    """A QEMU command line in its parts."""

    program: str
    lists: dict[str, list[dict[str, str]]]
    plain: dict[str, str]
    flags: set[str]

    def ids(self, option: str) -> dict[str, dict[str, str]]:
        """An option's lists that have an id, by that."""
        return {row["id"]: row for row in self.lists.get(option, []) if "id" in row}


def read_command_line(argv: Sequence[str]) -> CommandLine:
    """Take a command line apart.

    :raise ValueError: when QEMU would not take it so.
    """
    program, *words = argv
    line = CommandLine(program, {}, {}, set())
    rest = iter(words)
    for option in rest:
        if option in _LISTS:
            line.lists.setdefault(option, []).append(read_options(next(rest), _LISTS[option]))
        elif option in _PLAIN:
            if option in line.plain:
                raise ValueError(f"{option} is there twice")
            line.plain[option] = next(rest)
        elif option in _FLAGS:
            line.flags.add(option)
        else:
            raise ValueError(f"{option!r} is no option")
    ids = [(option, row["id"]) for option, rows in line.lists.items() for row in rows if "id" in row]
    if len(ids) != len(set(ids)):
        raise ValueError("an id is there twice")
    return line


def command_line(view: MachineView) -> CommandLine | None:
    """A machine's command line taken apart, or None where only libvirt can make it, which must then be true."""
    spec = view.spec
    if not all(BACKENDS[nic.kind].netdev for nic in spec.nics):
        with pytest.raises(RequestError):
            qemu_argv(view)
        return None
    return read_command_line(qemu_argv(view))
