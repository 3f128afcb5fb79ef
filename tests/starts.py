"""Domains in few words, for what their next start makes of their NICs."""

from __future__ import annotations

NAMESPACE = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
VIRTIO = "<model type='virtio'/>"
TSO6_OFF = f"{VIRTIO}<driver><guest tso6='off'/></driver>"
ALL_OFF = (
    f"{VIRTIO}<driver name='qemu'><guest csum='off' tso4='off' tso6='off' ecn='off' ufo='off'/></driver>"
)


def commandline(*words: str) -> str:
    args = "".join(f"<qemu:arg value='{word}'/>" for word in words)
    return f"<qemu:commandline>{args}</qemu:commandline>"


def override(alias: str, value: str, name: str = "guest_tso4", kind: str = "bool") -> str:
    return (
        f"<qemu:override><qemu:device alias='{alias}'><qemu:frontend>"
        f"<qemu:property name='{name}' type='{kind}' value='{value}'/>"
        "</qemu:frontend></qemu:device></qemu:override>"
    )


def interface(inner: str = VIRTIO, mac: str = "52:54:00:00:00:01", kind: str = "bridge") -> str:
    return f"<interface type='{kind}'><mac address='{mac}'/>{inner}</interface>"


def domain(*interfaces: str, more: str = "", kind: str = "qemu") -> str:
    devices = "".join(interfaces)
    return f"<domain type='{kind}' {NAMESPACE}><name>vm</name><devices>{devices}</devices>{more}</domain>"
