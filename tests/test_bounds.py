"""Where what a lab file may say ends, and what one fault does not hide of another."""

from __future__ import annotations

import pytest

from provision.runtime.errors import Fault, LabFileError
from tests.builders import lab_of


def faults(text: str) -> list[Fault]:
    try:
        lab_of(text)
    except LabFileError as error:
        return list(error.faults)
    return []


def machine(keys: str, memory: str = "1GiB") -> str:
    return f"version: 1\nmachines: {{m: {{guest: linux, memory: {memory}, {keys}}}}}\n"


@pytest.mark.parametrize("memory", ["1024KiB", "1MiB", "65535GiB"])
def test_memory_that_a_machine_can_have(memory: str) -> None:
    assert faults(machine("", memory)) == []


@pytest.mark.parametrize("memory", ["1023KiB", "65536GiB", "99999GiB"])
def test_memory_that_none_can_have(memory: str) -> None:
    [fault] = faults(machine("", memory))

    assert fault.message == f"must be between 1MiB and 65535GiB, not {memory}"


@pytest.mark.parametrize(("nics", "fits"), [(229, True), (230, False)])
def test_a_bare_qemu_has_a_port_for_each_device_or_is_refused(nics: int, *, fits: bool) -> None:
    """Three go to the agent's channel, the virtio-rng and USB."""
    each = ", ".join(["{user: true, rsc: false}"] * nics)
    found = faults(machine(f"backend: qemu, nics: [{each}]"))

    assert [fault.message for fault in found] == (
        [] if fits else ["has 233 PCIe devices, and backend qemu has room for 232"]
    )
    assert faults(machine(f"backend: libvirt, nics: [{each}]")) == []


NOWHERE = "nowhere is not declared under hosts"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\n", "must be 1, not 2"),
        ("version: 1\nhosts: {local: {memory: 1GiB}}\n", "is no key here"),
        ("version: 1\nhosts: {local: {guest: 5}}\n", "is no key here"),
    ],
)
def test_a_fault_elsewhere_does_not_hide_what_is_wrong_between_values(text: str, message: str) -> None:
    found = faults(f"{text}machines: {{m: {{guest: linux, memory: 1GiB, host: nowhere}}}}\n")

    assert [fault.message for fault in found] == [message, NOWHERE]


@pytest.mark.parametrize(
    ("ask", "path", "message"),
    [
        ("{ssh: {address: 5, user: u}}", "ssh.address", "must be text, not 5"),
        ("{ssh: 5}", "ssh", "must be a mapping, not 5"),
        ("{winrm: [5]}", "winrm", "must be a mapping, not [5]"),
    ],
)
def test_a_fault_in_one_machine_does_not_hide_what_is_wrong_in_the_next(
    ask: str, path: str, message: str
) -> None:
    person = f"guest: linux, memory: 1GiB, ask: [{ask}]"
    found = faults(
        f"version: 1\nmachines:\n  a: {{{person}}}\n  b: {{guest: linux, memory: 1GiB, host: nowhere}}\n"
    )

    assert [(fault.path, fault.message) for fault in found] == [
        (f"machines.a.ask[0].{path}", message),
        ("machines.b.host", NOWHERE),
    ]


@pytest.mark.parametrize("key", ["guest", "memory", "nics", "surprise"])
def test_a_key_that_is_out_of_place_does_not_hide_what_is_wrong_beside_it(key: str) -> None:
    found = faults(f"version: 1\nhosts: {{local: {{{key}: 5, bridges: {{br0: {{uplink: br0}}}}}}}}\n")

    assert [fault.path for fault in found][1:] == ["hosts.local.bridges.br0.uplink"]
