"""Everything that can be compared of a host: devices, features, addresses, processes, files, domains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.real.hypervisor import Hypervisor

PASSING = (
    "timer",
    "learned",
    "ifindex",
    "link_index",
    "stats",
    "bridge_id",
    "root",
    "designated",
    "preferred",
    "valid",
)
"""What `ip` tells and differs with every look, or with every start of a machine."""

LISTING = r"""
listed() { find "$@" -xdev \( -path /run/libvirt -o -path /var/lib/libvirt -o -name .accelerators.json -o -path '/var/lib/rscvm/*/lock' \) -prune \
    -o \( -type d -o -name '*.pid' -o -name '*.started' -o -name '*.log' \) -printf '%p %M %U\n' -o -printf '%p %M %U %s\n'; }
listed /etc /run /var/lib/rscvm 2>/dev/null
listed /root /var /var/lib -maxdepth 2"""
"""What rscvm might write to, all of it; of what it has nothing to do with, the top.

A lock's file that was left by a kill of all holds nobody up, and goes with its lab's directory, which is listed.
"""


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _kept(each) for key, each in value.items() if not any(word in key for word in PASSING)}
    return [_kept(each) for each in value] if isinstance(value, list) else value


def _processes(host: Hypervisor) -> Iterator[str]:
    for argv in host.processes().values():
        if "qemu-system" in argv[0] and "-name" in argv:  # descriptors and ids differ with every start
            yield f"QEMU of {argv[argv.index('-name') + 1]}"
        else:
            yield " ".join(argv)


def _elements(xml: str) -> list[str]:
    """A definition's lines in an order of their own: libvirt lays devices out anew whenever it is defined."""
    return sorted(line.strip() for line in xml.splitlines())


def whole_host(host: Hypervisor) -> dict[str, Any]:
    """The host in a form in which equal hosts compare equal."""
    links = json.loads(host.output(["ip", "-json", "-details", "address"]))
    names = [name for name in host.virsh("list", "--all", "--name").split("\n") if name]
    return {
        "links": {link["ifname"]: _kept(link) for link in links},
        "features": {
            each["ifname"]: each for each in json.loads(host.output(["ethtool", "--json", "-k", "*"]))
        },
        "coalescing": host.output(["ethtool", "-c", "eth0"]),
        "processes": sorted(_processes(host)),
        "files": sorted(host.output(["sh", "-c", LISTING]).splitlines()),
        "journals": {
            str(path): path.read_text() for path in sorted(host.path("/var/lib/rscvm").glob("*/journal.json"))
        },
        "domains": {
            name: [
                host.virsh("domstate", name).strip(),
                *_elements(host.virsh("dumpxml", "--inactive", name)),
            ]
            for name in names
        },
    }


def difference(before: Any, after: Any, where: str = "") -> str:
    """What differs, in words; places that are alike are left out."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        found = (
            difference(before.get(key), after.get(key), f"{where}/{key}")
            for key in keys
            if before.get(key) != after.get(key)
        )
        return "; ".join(found)
    if isinstance(before, list) and isinstance(after, list):
        gone, new = (
            [each for each in one if each not in other] for one, other in ((before, after), (after, before))
        )
        return f"{where}: gone {gone}, new {new}"
    return f"{where}: {before!r} became {after!r}"
