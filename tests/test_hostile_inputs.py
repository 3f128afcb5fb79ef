"""10,000 hostile inputs: each is read or refused in words, within bounds; and no reader of others' words is left out."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from provision.verbs.rejudge import judge_saved
from tests.hostile_inputs import faults, mutated_text
from tests.hostile_targets import evidence_files, saved_evidence, targets
from tests.processes import proc_text

ROOT = Path(__file__).parent.parent


def test_10000_hostile_inputs_end_in_no_traceback_and_below_512_mib() -> None:
    """In a process of its own, whose memory is nobody else's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_inputs", "--inputs", "10000", "--seed", "1"],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert done.stderr == "", "what a library prints past us"
    told = re.search(r"(\d+) read, (\d+) refused, 0 faults", done.stdout)
    assert told
    assert min(map(int, told.groups())) > 2000, "inputs that are all read, or all refused, try little"


QEMU = "/usr/bin/qemu-system-x86_64"
CROWDS = {
    "left out": ({}, {"left out": " ".join(f"/proc/{pid}" for pid in range(200_000))}, 50),
    "NICs": ({pid: [QEMU, *["-nic", "tap,ifname=t0"] * 25] for pid in range(1000, 1420)}, {}, 10_001),
    "QEMUs": ({pid: [QEMU, "-nic", "tap"] for pid in range(1000, 11_000)}, {}, 2001),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_host_that_tells_of_any_number_is_bounded_and_the_rest_is_told(crowd: str) -> None:
    argvs, files, most = CROWDS[crowd]
    answer = proc_text(argvs, files=files).encode()
    changed = {name: answer for name in evidence_files("evidence-every") if "sh-c-" in name}

    [outcome] = judge_saved(saved_evidence("evidence-every", changed))

    assert len(outcome.value or ()) == most
    assert (outcome.value or [])[-1].verdict == "unknown"


def test_every_parser_of_facts_is_tried() -> None:
    tried = set(
        re.findall(
            r"\b(?:parse|read|pasted|kept)_\w+|\bpasted\b",
            (ROOT / "tests" / "hostile_targets.py").read_text(),
        )
    )
    within = {
        "parse_json": "links", "parse_qm_configs": "paste", "parse_pasted": "paste", "read_domain": "domain",
        "parse_processor": "domain", "parse_windows": "paste",
    }  # fmt: skip
    found = {
        node.name
        for path in (ROOT / "provision" / "facts").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and re.match("(parse|read)_", node.name)
    }

    assert found - tried == within.keys()
    assert set(within.values()) <= targets(mutated_text).keys()


def test_what_is_neither_read_nor_refused_is_a_fault() -> None:
    told = {"read": 0, "refused": 0}

    def stumbles(text: str) -> None:
        raise IndexError(text[:3])

    [fault] = faults(1, 7, told, {"stumbling": lambda _: stumbles("abc")})

    assert (fault.target, fault.number) == ("stumbling", 0)
    assert "IndexError: abc" in fault.what
