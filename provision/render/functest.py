"""Renders test cases of RSC for AutoHCK's functest engine, which has none of NetKVM's. Pure.

The engine reads JSON (a suite, and its cases with their steps) and runs scripts of PowerShell in its clients by WinRM. A
step has failed once its output lacks what it is to contain; a script that throws is run up to five times, 90
seconds apart (lib/engines/hcktest/tools.rb), so ours say FAIL instead.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from provision.runtime.errors import RequestError
from provision.runtime.templates import template
from provision.tables.families import FAMILY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.lab.spec import Lab

FUNCTEST_VERSION = "HCK-CI/AutoHCK, with lib/engines/functest as of commit 52186356e2e1 (2026-08-20)"
"""Whose field names these are: Functest::Suite, Functest::TestCase and Models::CommandInfo."""

SUITE = "netkvm_rsc"
FUNCTEST_RUN = f"bin/auto_hck functest -p PLATFORM -d NetKVM --driver-path DIR --category {SUITE}"
_TESTS = "lib/engines/functest/tests"
FUNCTEST_SCRIPTS = f"{_TESTS}/scripts/{SUITE}"
PORT = 5201
"""Where the DUT listens: iperf3's."""

COUNTERS = {"hck": "CoalescedWin", "true": "CoalescedHost"}
"""What of NetKVM's grows, by the NIC's profile: merged by QEMU's engine, or by the host."""

_LIMITS = {"state": 80, "address": 120, "connection": 180, "connect": 60}
"""Seconds that scripts wait; well below their steps' timeouts, after which the engine says Timeout and not what was seen."""

_Step = dict[str, object]

_DUT, _SENDER = 1, 2
_ON: _Step = {"desc": "RSC is to be on", "set_variable": {"rsc_wanted": "on"}}
_OFF: _Step = {"desc": "RSC is to be off", "set_variable": {"rsc_wanted": "off"}}
_REBOOT: _Step = {"desc": "Reboot", "guest_reboot": True, "timeout": 1500}


def functest_files(lab: Lab, name: str) -> dict[str, str]:
    """A suite, its cases and their scripts, by path in an AutoHCK checkout.

    :raise RequestError: when the machine has no virtio NIC that is to receive large segments.
    """
    profiles = {nic.profile for nic in lab.machines[name].nics if nic.model == "virtio"}
    profile = next((each for each in COUNTERS if each in profiles), None)
    if profile is None:
        raise RequestError(
            f"{name} has no virtio NIC with `rsc: true` or `rsc: hck`", hint="name one that has"
        )
    cases = (_state(), _toggle(), _reboot(), _coalesced(profile))
    tests = [f"{SUITE}/{case['name']}" for case in cases]
    documents: dict[str, object] = {f"{_TESTS}/suites/{SUITE}.json": _suite(profile, tests)}
    documents |= {f"{_TESTS}/cases/{SUITE}/{case['name']}.json": case for case in cases}
    files = {path: json.dumps(data, indent=2) + "\n" for path, data in documents.items()}
    values = {"counter": COUNTERS[profile], "port": PORT, "limits": _LIMITS}
    for script in ("state", "switch", "address", "receive", "send"):
        text = template(f"functest/{script}.ps1.j2", escape=False, trim=True).render(values)
        files[f"{FUNCTEST_SCRIPTS}/{script}.ps1"] = text
    return files


def _suite(profile: str, tests: list[str]) -> dict[str, object]:
    needs = " with the device and the override that `rscvm export autohck` writes" if profile == "hck" else ""
    return {
        "name": SUITE,
        "description": (
            f"RSC of NetKVM, with {COUNTERS[profile]} for its proof. For {FUNCTEST_VERSION}: "
            f"{FUNCTEST_RUN}{needs}. "
            "rscvm has not run AutoHCK."
        ),
        "tests": tests,
        "requirements": {"drivers": ["NetKVM"]},
    }


def _run(script: str, does: str, *clients: int, timeout: int = 120) -> _Step:
    return {
        "desc": does,
        "clients": list(clients or [_DUT]),
        "guest_run_file": f"{FUNCTEST_SCRIPTS}/{script}.ps1",
        "expected_output_contains": "PASS:",
        "timeout": timeout,
    }


def _switched(to: _Step) -> list[_Step]:
    return [to, _run("switch", "Ask for RSC @rsc_wanted@"), _seen()]


def _seen() -> _Step:
    return _run("state", "RSC is @rsc_wanted@ for IPv4 and IPv6")


def _case(
    name: str, label: str, steps: list[_Step], *clients: int, after: Iterable[_Step] = ()
) -> dict[str, object]:
    back = [*_switched(_ON)[:2], *after]
    return {
        "name": f"rsc_{name}",
        "display_name": label,
        "clients": list(clients or [_DUT]),
        "test_steps": steps,
        "cleanup": [{**step, "ignore_errors": True} for step in back],
    }


def _state() -> dict[str, object]:
    return _case("state", "RSC of NetKVM is enabled and operational", [_ON, _seen()])


def _toggle() -> dict[str, object]:
    return _case("toggle", "RSC of NetKVM is switched off and on again", [*_switched(_OFF), *_switched(_ON)])


def _reboot() -> dict[str, object]:
    steps = [*_switched(_OFF), _REBOOT, _seen(), *_switched(_ON), _REBOOT, _seen()]
    return _case("reboot", "RSC of NetKVM survives a reboot as it was set", steps)


def _coalesced(profile: str) -> dict[str, object]:
    """The second client sends to the first on their test network, which carries nothing else.

    QEMU's engine merges no IPv4 segment with ECN, so the sender is not to negotiate it.
    """
    ecn = profile == "hck"
    steps = [_ecn("disabled")] if ecn else []
    for to in (_ON, _OFF):
        steps += _switched(to)
        for family in FAMILY_NAMES.values():
            steps += _sent(family)
    return _case(
        "coalesced",
        f"{COUNTERS[profile]} of NetKVM grows with RSC on, and with RSC off it does not",
        steps,
        _DUT,
        _SENDER,
        after=[_ecn("default")] if ecn else [],
    )


def _sent(family: str) -> list[_Step]:
    both = {
        "dut": [_run("receive", "The DUT receives", _DUT, timeout=400)],
        "sender": [_run("send", "The second client sends", _SENDER, timeout=400)],
    }
    return [
        {"desc": f"By {family}", "set_variable": {"rsc_family": family}},
        {
            "desc": "Where the DUT can be reached",
            "clients": [_DUT],
            "guest_run_file": f"{FUNCTEST_SCRIPTS}/address.ps1",
            "capture_output": "rsc_address",
            "expected_output_matches": r"\A[0-9A-Fa-f.:]+\s*\z",
            "timeout": 180,
        },
        {"desc": f"Send by {family} with RSC @rsc_wanted@", "parallel": {"branches": both}, "timeout": 450},
    ]


def _ecn(value: str) -> _Step:
    return {
        "desc": f"ECN of the sender: {value}",
        "clients": [_SENDER],
        "guest_run": (
            f"netsh interface tcp set global ecncapability={value} | Out-Null; "
            "if ($LASTEXITCODE -eq 0) { 'PASS: set' } else { \"FAIL: netsh ends with $LASTEXITCODE\" }"
        ),
        "expected_output_contains": "PASS:",
        "timeout": 60,
    }
