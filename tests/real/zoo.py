"""Domains in every condition that can be made of them, and what has to be said of each."""

from __future__ import annotations

from tests.real.domains import domain, interface, override

EVIL = """a<b>&"'; $(x) {{y}} %s"""
PROPERTY = {False: "off", True: "on"}

# What each NIC was made to be, and what has to be said of it.
WANTED = {
    "many.net0": "ready",
    "many.net1": "guest-offloads-off",
    "many.net2": "guest-offloads-off",
    "many.net3": "not-virtio",
    "many.net4": "no-vnet-header",
    "many.net5": "tap-unreadable",
    "many.net6": "ready",
    "many.net7": "ready",
    "many.ua-mine": "ready",
    "many.net8": "tap-unreadable",  # a macvtap that libvirt was handed as any TAP
    "many.net9": "no-vnet-header",  # QEMU's name for virtio, to which libvirt gives no vnet header
    "many.net10": "not-virtio",  # a vmxnet3, whose TAP libvirt 9.0 opens with a header
    "many.ua-backup": "failover-standby",
    "declines.net0": "driver-declined",
    "driverless.net0": "driver-not-loaded",
    "dropping.net0": "tap-segmentation-off",
    "sink.net0": "ready",
    "sink.net1": "tap-unreadable",
    "hck.ua-test": "hck-flags-in-production",
    "misspelt.net0": "hck-flags-ineffective",
    "off.net0": "machine-off",
    "waiting.net0": "machine-paused",
    "transient.net0": "machine-paused",
    f"{EVIL}.net0": "machine-paused",
    "long.unknown": "unknown",
}


def off(*names: str) -> str:
    """The guest's offloads, these of them off."""
    words = " ".join(f"{name}='{PROPERTY[name not in names]}'" for name in ("csum", "tso4", "tso6"))
    return f"<driver><guest {words}/></driver>"


MANY = domain(
    "many",
    interface(),
    interface(more=off("tso6")),
    interface(more=off("csum")),
    interface(model="e1000e"),
    interface("user", ""),
    interface("direct", "<source dev='ve0' mode='bridge'/>"),
    interface("ethernet", "", more="<target dev='own6'/>"),
    interface("network", "<source network='lonely'/>"),
    interface(more="<alias name='ua-mine'/>", model="virtio-non-transitional"),
    interface("ethernet", "", more="<target dev='mvt0' managed='no'/>"),
    interface(model="virtio-net"),
    interface(model="vmxnet3"),
    interface(more="<teaming type='persistent'/><alias name='ua-backup'/>"),
)
RUNNING = (
    MANY,
    domain("declines", interface(), switch="rsc.driver=no-tso"),
    domain("driverless", interface(), switch="rsc.driver=none"),
    domain("dropping", interface(), switch="rsc.gro_hw=off"),
    domain(
        "sink",
        interface(),
        interface("direct", "<source dev='ve0' mode='bridge'/>"),
        switch="rsc.ip=10.9.0.2/24,10.8.0.2/24",
    ),
)
PAUSED = (
    domain("hck", interface(more="<alias name='ua-test'/>"), more=override("ua-test")),
    domain("misspelt", interface(more="<alias name='ua-te.st'/>"), more=override("ua-te.st")),
    domain("waiting", interface()),
    domain(EVIL.replace("&", "&amp;").replace("<", "&lt;"), interface(), description="&lt;b>"),
    domain("long", interface(), description="&lt;b>" * 600_000),  # more than libvirt puts into one message
)
