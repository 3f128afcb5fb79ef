"""Test cases for AutoHCK's functest engine, held against what its loader and its executor take."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.cli import run
from provision.render.functest import FUNCTEST_RUN, FUNCTEST_SCRIPTS, FUNCTEST_VERSION, SUITE, functest_files
from provision.runtime.errors import RequestError
from tests.builders import one_vm
from tests.labs import HLK, hlk

TESTS = "lib/engines/functest/tests"

# Composed from HCK-CI/AutoHCK's Sorbet models at commit 52186356e2e1 (2026-08-20): lib/engines/functest/suite.rb and
# test_case.rb, lib/models/command_info.rb. Its from_hash takes keys that it does not know in silence; nothing here may.
# Each key with its type; `*` marks one without default.
TEXT, NUMBER, TRUTH, TEXTS, NUMBERS = "text", "number", "truth", "texts", "numbers"
REQUIREMENTS = {"drivers": TEXTS, "platforms": TEXTS, "extra_software": TEXTS}
SUITES = {
    "*name": TEXT, "description": TEXT, "test_system_ref": TEXT, "*tests": TEXTS, "requirements": REQUIREMENTS,
    "reject_test_names": TEXTS,
}  # fmt: skip
STEP: dict[str, Any] = {
    "*desc": TEXT, "timeout": NUMBER, "capture_output": TEXT, "ignore_errors": TRUTH, "guest_run": TEXT,
    "guest_run_file": TEXT, "guest_reboot": TRUTH, "host_run": TEXT, "host_run_file": TEXT, "barrier": TEXT,
    "expected_output_contains": TEXT, "expected_output_matches": TEXT, "expected_output_matches_encoding": TEXT,
    "clients": NUMBERS, "set_variable": {"": TEXT}, "variables": {"": TEXT},
    "qmp_command": {"*execute": TEXT, "arguments": {}}, "qmp_wait_event": {"*events": TEXTS, "timeout": NUMBER},
    "engine_setup_manager_action": TEXT,
}  # fmt: skip
STEP["parallel"] = {"*branches": {"": [STEP]}, "fail_fast": TRUTH}
CASE = {
    "*name": TEXT, "display_name": TEXT, "description": TEXT, "test_system_ref": TEXT, "timeout": NUMBER,
    "extra_software": TEXTS, "pre_test_commands": [STEP], "cycles": NUMBER, "*test_steps": [STEP], "cleanup": [STEP],
    "clients": NUMBERS, "clean_boot": TRUTH, "boot_from_snapshot_tag": TEXT, "save_snapshot_as": TEXT,
}  # fmt: skip
KINDS: dict[str, Callable[[Any], bool]] = {
    TEXT: lambda value: type(value) is str,
    NUMBER: lambda value: type(value) is int,
    TRUTH: lambda value: type(value) is bool,
    TEXTS: lambda value: type(value) is list and all(type(each) is str for each in value),
    NUMBERS: lambda value: type(value) is list and all(type(each) is int for each in value),
}

# command_execution_manager.rb, STEP_TYPE_FIELDS; test_executor.rb, PARALLEL_ALLOWED_STEP_TYPES.
TYPES = {"guest_run", "guest_run_file", "guest_reboot", "files_action", "host_run", "host_run_file", "barrier",
         "set_variable", "qmp_command", "qmp_wait_event", "engine_setup_manager_action", "parallel"}  # fmt: skip
IN_PARALLEL = {"guest_run", "guest_run_file", "files_action", "host_run", "host_run_file", "qmp_command",
               "qmp_wait_event"}  # fmt: skip

ORDINARY, ENGINE = (one_vm(), "vm"), (hlk(), "rsc-dut")


def exported(which: Any) -> dict[str, Any]:
    files = functest_files(*which)
    return {path: json.loads(text) if path.endswith(".json") else text for path, text in files.items()}


def cases(files: dict[str, Any]) -> dict[str, Any]:
    return {path: each for path, each in files.items() if path.startswith(f"{TESTS}/cases/")}


def misfits(value: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Where a document is not what the engine's models take."""
    if isinstance(shape, str):
        yield from () if KINDS[shape](value) else (f"{at}: not {shape}",)
    elif isinstance(shape, list):
        for index, each in enumerate(value):
            yield from misfits(each, shape[0], f"{at}[{index}]")
    elif "" in shape:
        for key, each in value.items():
            yield from misfits(each, shape[""], f"{at}.{key}")
    else:
        known = {key.lstrip("*"): each for key, each in shape.items()}
        yield from (f"{at}.{key}: unknown" for key in value.keys() - known.keys())
        yield from (f"{at}.{key[1:]}: missing" for key in shape if key[0] == "*" and key[1:] not in value)
        for key in value.keys() & known.keys():
            yield from misfits(value[key], known[key], f"{at}.{key}")


def refused(case: dict[str, Any]) -> Iterator[str]:
    """What the executor refuses before it starts a case (validate_single_step_clients!, validate_parallel_block!)."""
    for step in (*case.get("pre_test_commands", ()), *case["test_steps"], *case.get("cleanup", ())):
        yield from _refused_step(step, case["clients"], TYPES)
        branches = step.get("parallel", {}).get("branches", {"": [], " ": []})
        yield from ("one branch",) if len(branches) < 2 else ()
        targets = [{client for each in branch for client in each["clients"]} for branch in branches.values()]
        yield from (
            ("two branches, one client",) if len(set().union(*targets)) < sum(map(len, targets)) else ()
        )
        for branch in branches.values():
            for each in branch:
                yield from _refused_step(each, case["clients"], IN_PARALLEL)


def _refused_step(step: dict[str, Any], clients: list[int], allowed: set[str]) -> Iterator[str]:
    if len(step.keys() & TYPES) != 1 or not step.keys() & allowed:
        yield f"{step['desc']}: its type"
    if {*step.get("clients", ())} - {*clients}:
        yield f"{step['desc']}: a client that the case has not"


@pytest.mark.parametrize("which", [ORDINARY, ENGINE])
def test_each_document_has_the_fields_and_types_that_the_engine_has_and_no_others(which: Any) -> None:
    files = exported(which)
    suite = files[f"{TESTS}/suites/{SUITE}.json"]

    assert [*misfits(suite, SUITES)] == []
    assert {f"{TESTS}/cases/{name}.json" for name in suite["tests"]} == cases(files).keys()
    for path, case in cases(files).items():
        assert [*misfits(case, CASE)] == []
        assert [*refused(case)] == []
        assert Path(path).stem == case["name"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"test_step": []}, [".test_step: unknown"]),
        ({"clients": ["1"]}, [".clients: not numbers"]),
        ({"test_steps": [{"desc": 1}]}, [".test_steps[0].desc: not text"]),
        ({"cleanup": [{"barrier": "x"}]}, [".cleanup[0].desc: missing"]),
        ({"test_steps": [{"desc": "", "parallel": {"branches": {"a": [{"desc": "", "x": 1}]}}}]},
         [".test_steps[0].parallel.branches.a[0].x: unknown"]),
    ],
)  # fmt: skip
def test_what_the_engine_does_not_know_would_be_found(changed: dict[str, Any], why: list[str]) -> None:
    assert [*misfits({"name": "a", "test_steps": [], **changed}, CASE)] == why


@pytest.mark.parametrize(
    "step",
    [
        {"guest_run": "x", "barrier": "y"},
        {},
        {"guest_run": "x", "clients": [3]},
        {"parallel": {"branches": {"a": []}}},
        {"parallel": {"branches": {name: [{"desc": "", "guest_run": "x", "clients": [1]}] for name in "ab"}}},
        {"parallel": {"branches": {"a": [{"desc": "", "guest_reboot": True, "clients": [1]}], "b": []}}},
    ],
)
def test_what_the_executor_refuses_would_be_found(step: dict[str, Any]) -> None:
    assert [*refused({"clients": [1, 2], "test_steps": [{"desc": "", **step}]})]


@pytest.mark.parametrize("which", [ORDINARY, ENGINE])
def test_each_script_is_there_and_each_variable_is_set_before_it_is_used(which: Any) -> None:
    files = exported(which)
    used: set[str] = set()
    for case in cases(files).values():
        known: set[str] = set()
        for step in (*case["test_steps"], *case["cleanup"]):
            known |= {*step.get("set_variable", ())}
            branches = step.get("parallel", {}).get("branches", {}).values()
            for each in (step, *(each for branch in branches for each in branch)):
                path = each.get("guest_run_file")
                used |= {path} if path else set()
                assert {*re.findall("@([a-z_]+)@", each["desc"] + (files[path] if path else ""))} <= known
            known |= {step["capture_output"]} if "capture_output" in step else set()

    assert used == {path for path in files if path.startswith(FUNCTEST_SCRIPTS)}


@pytest.mark.parametrize("which", [ORDINARY, ENGINE])
def test_no_step_can_pass_without_having_said_so_and_what_was_switched_is_put_back(which: Any) -> None:
    for case in cases(exported(which)).values():
        for step in case["test_steps"]:
            branches = step.get("parallel", {}).get("branches", {}).values()
            for each in (step, *(each for branch in branches for each in branch)):
                if each.keys() & {"guest_run", "guest_run_file"}:
                    assert each.keys() & {"expected_output_contains", "expected_output_matches"}
        assert [step["set_variable"] for step in case["cleanup"][:1]] == [{"rsc_wanted": "on"}]
        assert all(step["ignore_errors"] for step in case["cleanup"])


def test_the_counter_is_that_of_the_machines_way_and_must_grow_with_rsc_alone() -> None:
    for which, counter, other in ((ORDINARY, "CoalescedHost", "CoalescedWin"), (ENGINE, "CoalescedWin", "CoalescedHost")):  # fmt: skip
        files = exported(which)
        receive = files[f"{FUNCTEST_SCRIPTS}/receive.ps1"]
        case = files[f"{TESTS}/cases/{SUITE}/rsc_coalesced.json"]
        sent = [step["desc"] for step in case["test_steps"] if "parallel" in step]
        wanted = [step["set_variable"] for step in case["test_steps"] if "set_variable" in step]
        ecn = [step["guest_run"].split("|")[0] for step in (*case["test_steps"], *case["cleanup"]) if "guest_run" in step]  # fmt: skip

        assert f".rx.{counter}" in receive
        assert other not in receive
        assert sent == [f"Send by {family} with RSC @rsc_wanted@" for family in ("IPv4", "IPv6")] * 2
        assert [each["rsc_wanted"] for each in wanted if "rsc_wanted" in each] == ["on", "off"]
        assert [text.split("=")[1].strip() for text in ecn] == (["disabled", "default"] if which == ENGINE else [])  # fmt: skip


@pytest.mark.parametrize("which", [ORDINARY, ENGINE])
def test_a_script_says_what_it_saw_well_before_the_engine_ends_its_step(which: Any) -> None:
    """A wait is bounded by a clock: how often something is asked says nothing, as a cmdlet may take seconds."""
    files, waits = exported(which), 0
    for case in cases(files).values():
        for step in case["test_steps"]:
            branches = step.get("parallel", {}).get("branches", {}).values()
            for each in (step, *(each for branch in branches for each in branch)):
                text = files[each["guest_run_file"]] if "guest_run_file" in each else ""
                limits = [int(found) for found in re.findall(r"\.TotalSeconds -(?:lt|ge) ([0-9]+)", text)]
                waits += len(limits)
                assert text.count("Start-Sleep") == len(limits)
                assert sum(limits) + 40 <= each.get("timeout", 0) or not text

    assert waits


def test_a_machine_without_large_segments_has_nothing_to_test() -> None:
    with pytest.raises(RequestError, match="has no virtio NIC with `rsc: true` or `rsc: hck`"):
        functest_files(hlk(), "rsc-controller")


def test_export_writes_them_and_says_for_which_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, out = tmp_path / "lab.yaml", tmp_path / "out"
    lab.write_text(HLK.replace("BACKEND", ""))
    arguments = ["export", "autohck", str(lab), "rsc-dut", "--functest"]

    assert run([*arguments, "-o", str(out)]) == 0
    written = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert written == functest_files(*ENGINE)
    assert FUNCTEST_RUN in capsys.readouterr().err
    assert run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["for"], document["files"]) == (FUNCTEST_VERSION, exported(ENGINE))
    suite = document["files"][f"{TESTS}/suites/{SUITE}.json"]
    assert FUNCTEST_VERSION in suite["description"]
    assert "has not run AutoHCK" in suite["description"]


def test_the_cases_stay_as_they_are(golden: Callable[[str, str], None]) -> None:
    for path, text in functest_files(*ENGINE).items():
        if path.endswith(".json"):
            golden(f"autohck/{Path(path).name}", text)
