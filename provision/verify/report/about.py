"""What is known of each host that was checked, in a line: how it is reached, what answered there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.verify.judge.verdict import NicVerdict

_TOLD = ("libvirt", "QEMU", "kernel", "ethtool")
_QEMU = "QEMU of "
_MOST = 8
"""Versions of QEMU; a host whose machines have more of them has told enough."""


def host_lines(
    ways: Mapping[str, str], tools: Mapping[str, Mapping[str, str]], verdicts: Sequence[NicVerdict]
) -> dict[str, str]:
    """What is known of each host.

    :param ways: how its machines are reached, by host.
    :param tools: versions by host and tool; those of QEMU are by `QEMU of MACHINE`.
    """
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.evidence.host, []).append(verdict.evidence.kernel)
    return {
        host: "; ".join(filter(None, (ways.get(host), *_versions(tools.get(host, {}), found.get(host, ())))))
        for host in dict.fromkeys([*ways, *tools, *found])
    }


def _versions(tools: Mapping[str, str], kernels: Sequence[str]) -> list[str]:
    qemus = dict.fromkeys(said for tool, said in tools.items() if tool.startswith(_QEMU))
    told = {
        "QEMU": ", ".join([*qemus][:_MOST]),
        "kernel": ", ".join(filter(None, dict.fromkeys(kernels))),
        **tools,
    }
    # ethtool says its own name: `ethtool version 6.1`.
    return [
        said if said.startswith(tool) else f"{tool} {said}" for tool in _TOLD if (said := told.get(tool, ""))
    ]
