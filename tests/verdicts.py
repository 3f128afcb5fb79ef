"""Verdicts to show: of each kind, many of them, and with names that somebody chose to do harm."""

from __future__ import annotations

from typing import Any

from provision.verify.evidence import Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import ON, features, nic, virtio

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=//evil.example onerror=alert(1)>',
    "]]>&amp;&#x1b;<!--",
    "\x1b]0;owned\x07\x1b[2J\x00\x08",
    "evil\u202egnp.exe\u2066",
    "two\nlines\rand\u2028more",
    "\udc80\ufffe\uffff",
    "x" * 10_000,
    "漢字" * 200,
    "a" + "\u0301" * 10_000,
    "{{ 7 * 7 }}{% raw %}",
    "[bold red]markup[/]",
)


def verdict(**changes: Any) -> NicVerdict:
    return judge_nic(nic(**changes))


def ready(**changes: Any) -> NicVerdict:
    return verdict(**changes)


def broken(**changes: Any) -> NicVerdict:
    return verdict(**{"properties": {**ON, "guest_tso6": False}, **changes})


def host_off(**changes: Any) -> NicVerdict:
    return verdict(**{"features": features("host-tx-off"), **changes})


def off(**changes: Any) -> NicVerdict:
    unasked = Unasked("the machine is not running")
    gone = {"state": "off", "tap": None, "properties": unasked, "virtio": unasked, "features": unasked}
    return verdict(**{**gone, **changes})


def silent(**changes: Any) -> NicVerdict:
    return verdict(**{"virtio": Unasked("the monitor did not answer within 5 s"), **changes})


def meant_off(**changes: Any) -> NicVerdict:
    taken = {"virtio": virtio("rsc-false"), "features": features("rsc-false")}
    return verdict(**{"rsc": "false", "properties": dict.fromkeys(ON, False), **taken, **changes})


def hostile(text: str) -> NicVerdict:
    """Every word that comes from outside is this one."""
    return silent(
        host=text, machine=text, nic=text, mac=text, tap=text, rsc=text, purpose=text, kind=text,
        properties={text: True}, virtio=Unasked(text),
        features={**features("host-tx-off"), text: features("host-tx-off")["tx-checksumming"]}, notes=(text,),
    )  # fmt: skip


def every_kind() -> list[NicVerdict]:
    """Two hosts, each verdict, not in the order of their worth."""
    return [
        ready(machine="linux", tap="vnet0"),
        ready(machine="linux", nic="net1", mac="52:54:00:12:34:57", tap="vnet1", rsc=None, purpose=None),
        off(machine="spare", rsc=None, purpose=None),
        broken(
            machine="win2022", tap="vnet3", notes=("the MTU differs along the way: vnet3 9000, br0 1500",)
        ),
        host_off(machine="win2019", tap="vnet4"),
        silent(host="hv2", machine="old", tap="vnet0", rsc=None, purpose=None),
        meant_off(host="hv2", machine="router", tap="vnet1"),
        host_off(host="hv2", machine="win11", tap="vnet2"),
    ]
