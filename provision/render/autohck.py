"""Renders AutoHCK's device and override files that give its DUT the same test NIC. Pure.

AutoHCK hands the same device to every client, so the device's file tells them apart by a variable with the client's
number in its name: its replacement map fills that number in before it looks up the device's own variables.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from provision.render.view import NicView, machine_view
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from provision.lab.spec import Lab

VERSION = (
    "HCK-CI/AutoHCK, with lib/setupmanagers/qemuhck/devices/virtio-net-pci.json as of commit 2c95d9c8d40a"
)
"""Whose field names these are: Models::QemuHCKDevice, and override.json's keys are paths of the files it is merged into."""

DEVICE = "virtio-net-pci-rscvm"
DEVICE_FILE = f"lib/setupmanagers/qemuhck/devices/{DEVICE}.json"
OVERRIDE_FILE = "override.json"

_NOTES = (
    f"For {VERSION}. Put {DEVICE_FILE} into its checkout, and merge these keys into its override.json.",
    (
        "Its first client is the DUT and gets the test NIC of {machine}; the second is the support machine and gets "
        "{peer}. MACs, TAPs and bridges stay AutoHCK's own."
    ),
    (
        'lib/engines/hcktest/drivers/NetKVM.json rejects "Run RSC Tests" (reject_test_names). To run it, take that one line '
        "out there; an override would have to repeat the whole list, because lists are replaced and not merged."
    ),
    (
        "The test is in no playlist of Microsoft's: leave AutoHCK's playlists directory out for it. Run nothing else with "
        "this device: it breaks every other test."
    ),
    (
        "AutoHCK's net_up script runs `ethtool -K TAP tx off` before the guest's driver starts, and that start undoes it. "
        "Run it again, in AutoHCK's network namespace, on the DUT's TAP (ts_r…_c01…) after each start of the driver."
    ),
    "rscvm has not run AutoHCK.",
)


def autohck_files(lab: Lab, name: str) -> dict[str, str]:
    """What to put into an AutoHCK checkout, by path in it.

    :raise RequestError: when the machine has no NIC with `rsc: hck`.
    """
    view = machine_view(lab, name)
    test = next((nic for nic in view.nics if nic.spec.profile == "hck"), None)
    if test is None:
        raise RequestError(
            f"{name} has no NIC with `rsc: hck`", hint="AutoHCK's own device is the one for ordinary tests"
        )
    machine, peer = next(_peers(lab, name, test), ("", None))
    names = {
        "{machine}": f"{name}.{test.spec.name}",
        "{peer}": f"that of {machine}" if machine else "the same without flags",
    }
    documents = {DEVICE_FILE: _device(test, peer), OVERRIDE_FILE: _override(names)}
    return {path: json.dumps(data, indent=2, ensure_ascii=False) + "\n" for path, data in documents.items()}


def _device(test: NicView, peer: NicView | None) -> dict[str, object]:
    return {
        "name": DEVICE,
        "type": "network",
        "need_pci_bus": True,  # a root port of its own: behind one, virtio is modern only
        "define_variables": {
            "@vhost_value@": "off",
            "@rscvm_client_01@": _options(test),
            "@rscvm_client_02@": _options(peer) if peer else _without_engine(test),
        },
        "command_line": [
            "-netdev @network_backend@,id=@net_if_name@@netdev_options@",
            (
                "-device virtio-net-pci@rscvm_client_@client_id@@,netdev=@net_if_name@,mac=@net_if_mac@@net_addr@,"
                "bus=@bus_name@.0,id=@net_if_name@"
            ),
        ],
    }


def _override(names: Mapping[str, str]) -> dict[str, object]:
    def told(note: str) -> str:
        for word, name in names.items():
            note = note.replace(word, name)
        return note

    return {
        "rscvm__comment": [told(note) for note in _NOTES],
        "lib/engines/hcktest/drivers/NetKVM.json": {"device": DEVICE},
        "lib/setupmanagers/qemuhck/qemu_machine.json": {"platforms_defaults": {"vhost_state": False}},
    }


def _peers(lab: Lab, name: str, test: NicView) -> Iterator[tuple[str, NicView]]:
    """Other machines' virtio NICs on the test NIC's bridge."""
    for other, machine in lab.machines.items():
        if other == name or machine.host != lab.machines[name].host or not test.spec.bridge:
            continue
        for nic in machine_view(lab, other).nics:
            if nic.spec.bridge == test.spec.bridge and nic.spec.model == "virtio" and nic.interval is None:
                yield f"{other}.{nic.spec.name}", nic


def _switches(nic: NicView) -> list[str]:
    return [f"{name}={'on' if on else 'off'}" for name, on in nic.properties]


def _options(nic: NicView) -> str:
    """Device options as on QEMU's command line, each after a comma."""
    options = _switches(nic)
    options += [f"rsc_interval={nic.interval}"] if nic.interval is not None else []
    options += [f"rx_queue_size={nic.spec.rx_queue_size}"] if nic.spec.rx_queue_size else []
    options += [f"host_mtu={nic.spec.mtu}"] if nic.spec.mtu else []
    return "".join(f",{option}" for option in options)


def _without_engine(nic: NicView) -> str:
    return "".join(f",{option}" for option in _switches(nic) if not option.startswith("guest_rsc_ext"))
