"""Parses `x-query-virtio-status`: what a virtio device offers, and what the guest's driver took."""

from __future__ import annotations

from dataclasses import dataclass

from provision.runtime.errors import UnreadableError


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

    @property
    def driver_ok(self) -> bool:
        """Whether a driver has said that it is ready."""
        return "VIRTIO_CONFIG_S_DRIVER_OK" in self.status


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
    )
