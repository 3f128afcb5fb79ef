"""What is said of queues, and of which machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from provision.cli import rscvm
from provision.host.plan.up import plan_up
from provision.lab.queue_notes import queue_notes
from provision.tables.known_issues import BY_ID
from tests.builders import lab_of
from tests.hosts import EMPTY

TEXT = "version: 1\nmachines: {vm: {guest: GUEST, backend: qemu, memory: 4GiB, MACHINE, nics: [{tap: on, NIC}]}}\n"
HANG = f"Windows hangs with NDIS poll mode where two queues share a processor (known issue 1360: {BY_ID['1360'].applies})"


def text(guest: str, machine: str, nic: str) -> str:
    return TEXT.replace("GUEST", guest).replace("MACHINE", machine).replace("NIC", nic)


@pytest.mark.parametrize(
    ("guest", "machine", "nic", "said"),
    [
        ("windows", "vcpus: 4", "queues: 1", []),
        ("windows", "vcpus: 4", "rx_queue_size: 256", []),
        ("windows", "vcpus: 4", "queues: 4", ["take 64 MiB or more of the guest's memory (1024 descriptors, 64 KiB each; 4 MiB"]),
        ("windows", "vcpus: 4", "rx_queue_size: 1024", ["take 64 MiB"]),
        ("windows", "vcpus: 4", "queues: 4, rx_queue_size: 1024", ["take 256 MiB"]),
        ("windows", "vcpus: 4", "queues: 4, rsc: off", []),
        ("linux", "vcpus: 4", "queues: 4, rx_queue_size: 1024", []),
        # A guest gives buffers to no more queues than it has processors.
        ("windows", "vcpus: 2", "queues: 8", [f"8 queues and 2 vCPUs: {HANG}", "take 32 MiB or more of the guest's memory (512 descriptors"]),
        ("windows", "vcpus: 4", "queues: 4, offloads: {guest_tso4: off}", ["take 64 MiB"]),
        ("windows", "vcpus: 4", "model: e1000e", []),
        ("windows", "vcpus: 2", "queues: 4, rsc: off", [f"4 queues and 2 vCPUs: {HANG}"]),
        ("windows", "vcpus: 2, cpu: {threads: 2}", "queues: 2, rsc: off", [f"2 queues and 1 core (2 vCPUs): {HANG}"]),
        ("linux", "vcpus: 2, cpu: {threads: 2}", "queues: 2", []),
        ("linux", "vcpus: 2", "queues: 4", ["4 queues and 2 vCPUs: a guest uses no more than one a vCPU"]),
    ],
)  # fmt: skip
def test_a_nic_with_many_or_long_queues_is_told_what_they_cost(
    guest: str, machine: str, nic: str, said: list[str]
) -> None:
    notes = [*queue_notes(lab_of(text(guest, machine, nic)), ["vm"])]

    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert note.startswith("vm.net0: ")
        assert words in note


def test_validate_and_plan_say_it_and_refuse_nothing(tmp_path: Path) -> None:
    said = text("windows", "vcpus: 2", "queues: 4")
    notes = [*queue_notes(lab_of(said), ["vm"])]
    path = tmp_path / "lab.yaml"
    path.write_text(said)

    plain, as_json = (CliRunner().invoke(rscvm, ["validate", str(path), *more]) for more in ([], ["--json"]))
    plan = plan_up(lab_of(said), "local", ["vm"], EMPTY)

    assert len(notes) == 2
    assert (plain.exit_code, as_json.exit_code) == (0, 0)
    assert [line for line in plain.output.splitlines() if line.startswith("vm.net0")] == notes
    assert json.loads(as_json.output[as_json.output.index("{") :])["notes"] == notes
    assert [note for note in plan.notes if note.startswith("vm.net0")] == notes
