"""Parses `x-query-virtio-status`: what a virtio device offers, and what the guest's driver took."""

from __future__ import annotations

from dataclasses import dataclass

from provision.runtime.errors import UnreadableError

_FAILED = frozenset({"VIRTIO_CONFIG_S_NEEDS_RESET", "VIRTIO_CONFIG_S_FAILED"})
"""virtio specification, device status field."""


@dataclass(frozen=True, slots=True)
class VirtioFacts:
    """What a virtio device offers and what the guest's driver took of it.

    `negotiated` is what the driver took at its start; what it has switched off since by
    CTRL_GUEST_OFFLOADS is still in it.
    """

    offered: frozenset[str]
    negotiated: frozenset[str]
    status: frozenset[str]
    vhost: bool
    """Whether vhost carries the packets now."""
    broken: bool = False
    """Whether QEMU has given the device up until it is reset."""

    @property
    def driver_ok(self) -> bool:
        """Whether a driver has said that it is ready."""
        return "VIRTIO_CONFIG_S_DRIVER_OK" in self.status and not self.failed

    @property
    def untaken(self) -> str:
        """Why no operating system's driver is at work on a device, in words."""
        if self.failed:
            return "the device or its driver has given up until it is reset"
        return (
            "only a firmware's driver has taken the device"
            if self.driver_ok
            else "no driver has taken the device"
        )

    @property
    def failed(self) -> bool:
        """Whether the device or its driver has given up: nothing gets through any more."""
        return self.broken or not _FAILED.isdisjoint(self.status)


def _names(answer: dict[str, object], outer: str, *inner: str) -> frozenset[str]:
    """The names before the colons in QEMU's `NAME: explanation` lists."""
    block = answer.get(outer)
    if not isinstance(block, dict):
        raise UnreadableError(f"x-query-virtio-status: {outer}", repr(answer))
    names: list[str] = []
    for key in inner:
        words = block.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UnreadableError(f"x-query-virtio-status: {outer}.{key}", repr(answer))
        names += [word.partition(":")[0].strip() for word in words]
    return frozenset(names)


def parse_virtio_status(answer: object) -> VirtioFacts:
    """Facts of one device, from the command's return value.

    :raise UnreadableError: when the value is not of the form that QEMU 7.2 gives.
    """
    if not isinstance(answer, dict):
        raise UnreadableError("x-query-virtio-status", repr(answer))
    return VirtioFacts(
        offered=_names(answer, "host-features", "dev-features", "transports"),
        negotiated=_names(answer, "guest-features", "dev-features", "transports"),
        status=_names(answer, "status", "statuses"),
        vhost=answer.get("vhost-started") is True,
        broken=answer.get("broken") is True,
    )
