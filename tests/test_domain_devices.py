"""What QEMU is told of each NIC's device: which of several words for an offload counts."""

from __future__ import annotations

import pytest

from provision.facts.domain_devices import defined_devices
from tests.starts import VIRTIO, commandline, domain, interface, override


def offloads(xml: str) -> set[str]:
    [device] = defined_devices(xml)
    return {name for name in ("guest_csum", "guest_tso4", "guest_tso6") if not device.offloads[name]}


@pytest.mark.parametrize(
    ("words", "model", "off"),
    [  # each measured with QEMU 7.2
        (("virtio-net-pci.guest_tso4=off",), "virtio", {"guest_tso4"}),
        (("virtio-net-pci.guest_tso4=off",), "virtio-non-transitional", set()),
        (("virtio-net-pci-non-transitional.guest_tso4=off",), "virtio-non-transitional", {"guest_tso4"}),
        (("virtio-net-device.guest_tso4=off",), "virtio", {"guest_tso4"}),
        (("virtio-net-pci-base.guest_tso4=off",), "virtio-non-transitional", {"guest_tso4"}),
        (("driver=virtio-net-pci,property=guest_tso4,value=off",), "virtio", {"guest_tso4"}),
        (("virtio-net-pci.guest_tso4=off", "virtio-net-pci.guest_tso4=on"), "virtio", set()),
        (("virtio-net-pci.guest_tso4=on", "virtio-net-device.guest_tso4=off"), "virtio", set()),
        (("virtio-net.guest_tso4=off",), "virtio", set()),
        (("virtio-blk-pci.guest_tso4=off",), "virtio", set()),
    ],
)
def test_globals_are_taken_as_qemu_takes_them(words: tuple[str, ...], model: str, off: set[str]) -> None:
    more = commandline(*(part for word in words for part in ("-global", word)))

    assert offloads(domain(interface(f"<model type='{model}'/>"), more=more)) == off


def test_an_attribute_and_an_override_come_before_a_global() -> None:
    more = commandline("-global", "virtio-net-pci.guest_tso4=off", "-global", "virtio-net-pci.guest_tso6=off")
    inner = f"{VIRTIO}<driver><guest tso4='on'/></driver>"

    assert offloads(domain(interface(inner), more=more)) == {"guest_tso6"}
    assert offloads(domain(interface(inner), more=more + override("net0", "true", "guest_tso6"))) == set()
    assert offloads(domain(interface(inner), more=more + override("net0", "", kind="remove"))) == {
        "guest_tso4",
        "guest_tso6",
    }


def test_aliases_of_ours_are_not_numbered() -> None:
    xml = domain(
        interface(),
        interface(f"{VIRTIO}<alias name='ua-x'/>", "52:54:00:00:00:02"),
        interface(VIRTIO, "52:54:00:00:00:03"),
        more=override("net1", "off"),
    )

    assert [device.offloads["guest_tso4"] for device in defined_devices(xml)] == [True, True, False]


@pytest.mark.parametrize(
    ("model", "header"),
    [("virtio", True), ("virtio-transitional", True), ("virtio-net", False), ("virtio-net-pci", False)],
)
def test_only_models_that_libvirt_knows_have_a_header(model: str, *, header: bool) -> None:
    [device] = defined_devices(domain(interface(f"<model type='{model}'/>")))

    assert device.vnet_header is header


@pytest.mark.parametrize(("driver", "kind", "vhost"), [
    ("", "kvm", True), ("", "qemu", False), ("<driver name='qemu'/>", "kvm", False), ("<driver name='vhost'/>", "qemu", True),
])  # fmt: skip
def test_vhost_is_what_libvirt_tries(driver: str, kind: str, *, vhost: bool) -> None:
    [device] = defined_devices(domain(interface(VIRTIO + driver), kind=kind))

    assert device.vhost is vhost
