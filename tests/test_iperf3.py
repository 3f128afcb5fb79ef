"""What is read of iperf3's JSON, and of the processor times of QEMU's threads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.facts.iperf3 import parse_client
from provision.facts.threads import parse_processor_times
from provision.runtime.errors import UnreadableError
from tests.builders import FIXTURES

SENT = (FIXTURES / "iperf3-3.12" / "sent-whole.json").read_text()
BEFORE, AFTER = (
    (FIXTURES / "linux-6.18" / f"qemu-threads-{when}.txt").read_text() for when in ("before", "after")
)


def changed(**end: Any) -> str:
    document = json.loads(SENT)
    document["end"] |= end
    return json.dumps(document)


def test_what_arrived_is_told_and_not_what_was_sent() -> None:
    run = parse_client(SENT)

    assert run.octets == json.loads(SENT)["end"]["sum_received"]["bytes"]
    assert run.octets != json.loads(SENT)["end"]["sum_sent"]["bytes"]
    assert 0.4 < run.gbps < 0.7
    assert (run.retransmits, run.error) == (2, "")
    assert 0 < run.sender_busy < 0.01


def test_a_test_that_did_not_come_about_is_told_in_iperf3s_words() -> None:
    """Its exit status is 0 then, by version 3.12."""
    run = parse_client((FIXTURES / "iperf3-3.12" / "refused.json").read_text())

    assert run.error == "unable to connect to server: Connection refused"


def test_a_sender_that_tells_no_retransmits_is_read() -> None:
    assert parse_client(changed(sum_sent={"bytes": 1, "seconds": 1})).retransmits is None


def test_a_receiver_that_says_that_it_took_no_time_is_no_faster() -> None:
    """It is what is measured, and whoever measures has a clock."""
    received = {**json.loads(SENT)["end"]["sum_received"], "seconds": 0.003, "bits_per_second": 5e11}

    assert parse_client(changed(sum_received=received)).gbps == parse_client(SENT).gbps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "iperf3: error",
        '{"end": {}}',
        changed(sum_received={"bytes": -1, "bits_per_second": 1}),
        changed(sum_received={"bytes": True, "bits_per_second": 1}),
        changed(sum_sent={"seconds": 1e99}),
        changed(sum_sent={"seconds": "fast"}),
        changed(sum_sent={"seconds": float("nan")}),
        "[" * 100_000,
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_client(text)


def test_the_guests_processors_are_told_from_qemus_other_threads() -> None:
    times = parse_processor_times(AFTER)
    spent = times.since(parse_processor_times(BEFORE))

    assert [(each.name, each.kind) for each in times.threads] == [
        ("qemu-system-x86", "qemu"),
        ("call_rcu", "qemu"),
        ("IO mon_iothread", "qemu"),
        ("CPU 0/TCG", "vcpu"),
    ]
    assert times.named
    assert spent["vcpu"][0] == pytest.approx((1472 + 160 - 295 - 44) / 100)
    assert spent["qemu"] == pytest.approx(((70 + 207 - 10 - 4) / 100, 0.0, 0.0))
    assert times.busy_share(parse_processor_times(BEFORE)) == pytest.approx(1.0)


@pytest.mark.parametrize("owner", ["165", "2"])
def test_vhosts_worker_is_told_whether_it_is_a_thread_of_qemus_or_the_kernels(owner: str) -> None:
    """Composed: the captured line of a thread under the name that drivers/vhost/vhost.c gives."""
    line = BEFORE.splitlines()[1].replace("(call_rcu)", "(vhost-165)").replace(" S 1 ", f" S {owner} ")

    times = parse_processor_times(f"{BEFORE}{line.replace('166 ', '900 ', 1)}\n")

    assert [each.kind for each in times.threads][-1] == "vhost"


@pytest.mark.parametrize("name", ["vhost-", "vhost-net", "CPU", "CPU0", "worker) S 1 (x", "cpu "])
def test_a_thread_of_another_name_is_qemus_own(name: str) -> None:
    times = parse_processor_times(BEFORE.replace("call_rcu", name))

    assert times.threads[1].kind == "qemu"
    assert times.threads[1].name == name


def test_where_no_thread_is_named_that_is_told() -> None:
    assert not parse_processor_times(BEFORE.replace("CPU 0/TCG", "qemu-system-x86")).named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu  1 2 3 4 5 6 7 8 0 0",
        BEFORE + BEFORE,
        "165 (qemu) S 1\ncpu  1 2 3 4 5 6 7 8\n",
        BEFORE.replace("cpu ", "cpus "),
    ],
    ids=["nothing", "no thread", "twice", "short", "no host"],
)
def test_processor_times_of_nothing_are_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_processor_times(text)
