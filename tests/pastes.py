"""Pasted lines of `ethtool -k`, and what is said of them."""

from __future__ import annotations

from provision.verify.collect.pasted import pasted
from provision.verify.judge.verdict import NicVerdict, judge_nic

OFF = "\ttx-checksum-ip-generic: on\n\ttx-tcp-segmentation: off\n\ttx-tcp6-segmentation: off\n"
ON = OFF.replace("off", "on")
TAP = f"rx-checksumming: off [fixed]\n{OFF}highdma: off [fixed]\n"
NIC = f"rx-checksumming: on\n{OFF}highdma: on [fixed]\n"


def verdicts(text: str) -> list[NicVerdict]:
    return [judge_nic(nic) for nic in pasted({"x": text})]


def passed(verdict: NicVerdict) -> str:
    rung = next(rung for rung in verdict.ladder if rung.name == "passed")
    return f"{rung.states['ipv4']} {rung.states['ipv6']}"


def told(text: str) -> list[tuple[str, str, str]]:
    """Each NIC's name, verdict and rung *passed*."""
    return [(each.evidence.nic, each.verdict, passed(each)) for each in verdicts(text)]


def off(name: str) -> tuple[str, str, str]:
    """Of a TAP whose segmentation is off."""
    return name, "not-ready", "fail fail"


def on(name: str) -> tuple[str, str, str]:
    """Of a TAP with all on, which alone makes nobody ready."""
    return name, "unknown", "pass pass"


def dark(name: str) -> tuple[str, str, str]:
    """Of what tells nothing of a guest."""
    return name, "unknown", "unknown unknown"
