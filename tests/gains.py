"""Gains to show: legs as they were measured by hand on the demo guest, put together."""

from __future__ import annotations

from typing import Any

from provision.verify.gain.figures import Gain, Kind, Leg

RATES = ((3.3, 0.88), (3.4, 0.9), (3.36, 0.86), (3.5, 0.87), (3.31, 0.9))


def leg(kind: Kind, gbps: float, **changes: Any) -> Leg:
    """A leg of 600 MB: whole frames, or MTU-sized ones."""
    fields: dict[str, Any] = {
        "frames": 10_000 if kind == "on" else 400_000,
        "octets": 600_000_000,
        "seconds": 6.0,
        "retransmits": 2,
        "threads": {"qemu": (0.9, 0.0), "vcpu": (5.7 if kind == "on" else 3.0,)},
        "host_busy": 0.8,
        "sender_busy": 0.1,
        "congestion": "cubic",
        "guest_busy": 6.0,
    }
    return Leg(kind, gbps, **{**fields, **changes})


def gain(rates: tuple[tuple[float, float], ...] = RATES, **changes: Any) -> Gain:
    legs = [one for on, off in rates for one in (leg("on", on), leg("off", off))]
    fields: dict[str, Any] = {
        "host": "local",
        "machine": "vm",
        "nic": "net0",
        "tap": "tap0",
        "mtu": 1500,
        "legs": tuple(legs),
        "command": "iperf3 --client 10.9.0.2 --port 5202",
    }
    return Gain(**{**fields, **changes})
