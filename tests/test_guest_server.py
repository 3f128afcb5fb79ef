"""What `bench` runs in a Linux guest, by a real sh; and what is read of it, whoever wrote it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.guest_server import GuestWork, parse_server, parse_work
from provision.facts.iperf3 import parse_client
from provision.facts.threads import parse_processor_times
from provision.render.guest_scripts import ask_work, end_serving, serve
from provision.runtime.errors import UnreadableError
from provision.runtime.guest_channel import Script
from provision.runtime.guest_words import as_run

MAC = "52:54:00:12:34:56"


def ran(script: Script, path: Path | None = None) -> str:
    run = as_run(script)
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    done = subprocess.run(
        run.argv, input=run.stdin, capture_output=True, text=True, env=env, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def lives(pid: int) -> bool:
    """Whether it is there, and not just waits for somebody to take note of its end."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return not stat.rpartition(") ")[2].startswith("Z")


def served(folder: Path, script: Script, count: int) -> tuple[str, ...]:
    """The addresses that a start tells, once so many servers have said what they are."""
    found = parse_server(ran(script, folder))
    assert found.started
    until, said = time.monotonic() + 20, folder / "said"
    while not said.exists() or len(said.read_text().splitlines()) < count:
        assert time.monotonic() < until, "it did not start"
    return found.addresses


def test_a_server_tells_its_addresses_and_is_ended_by_its_mark_now_or_by_the_next(tmp_path: Path) -> None:
    """One test of all, since whoever ends servers ends every one of this system.

    What `ip` says is composed, after iproute2 6.1 and busybox 1.35: a line for each address.
    """
    lines = [
        f"2: eth0    inet{each} scope global eth0" for each in (" 10.9.0.2/24 brd 10.9.0.255", "6 fd00::2/64")
    ]
    program(tmp_path, "iperf3", f'echo "$$ $*" >>{tmp_path}/said; exec sleep 60')
    program(tmp_path, "ip", "\n".join(f"echo '{line}'" for line in lines))
    device = tmp_path / "net" / "eth0"
    (device / "device").mkdir(parents=True)
    (device / "address").write_text(f"{MAC}\n")
    script = serve(MAC, 5299, 50)
    here = Script(script.shell, script.name, script.text.replace("/sys/class/net/", f"{tmp_path}/net/"))
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert served(tmp_path, here, 1) == ("10.9.0.2", "fd00::2")
            assert served(tmp_path, script, 2) == ()
            rows = [line.split() for line in (tmp_path / "said").read_text().splitlines()]
            alive = [lives(int(row[0])) for row in rows]
            ran(end_serving())
            after = [lives(int(row[0])) for row in rows]

            assert [row[1:] for row in rows] == [["-s", "-p", "5299"]] * 2
            assert (alive, after, other.poll()) == ([False, True], [False, False], None)
        finally:
            other.kill()


def test_this_systems_own_processors_are_read() -> None:
    found = parse_work(ran(ask_work()))

    assert found.busy is not None
    assert found.busy > 0
    assert found.coalesced is None


def test_a_windows_tells_its_drivers_count_alone() -> None:
    assert parse_work('{"rscvm":"work/1","coalesced_host":7}') == GuestWork(None, 7)
    assert parse_work('{"rscvm":"work/1","coalesced_host":null}') == GuestWork()


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ("rscvm", "server", "addresses", "ticks", "coalesced_host", "end", "error", "sum_sent", "sum_received", "bytes")), inner),
    max_leaves=9,
)  # fmt: skip


@pytest.mark.parametrize("parse", [parse_server, parse_work, parse_client, parse_processor_times])
@given(
    text=st.text() | _JSON.map(json.dumps),
    schema=st.sampled_from(["", '{"rscvm":"serve/1","addresses":', '{"rscvm":"work/1","ticks":']),
)
def test_whatever_is_said_is_read_or_told_as_unreadable(parse: object, text: str, schema: str) -> None:
    assert callable(parse)
    for said in (text, f"{schema}{text}}}"):
        try:
            parse(said)
        except UnreadableError:
            continue


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "0.1.2.3",
        "255.255.255.255",
        "2001:db8::1%eth0",
        "fe80::1",
        "::1",
        "224.0.0.1",
    ],
)
def test_a_guest_sends_the_host_to_no_address_that_no_guest_has(address: str) -> None:
    said = json.dumps({"rscvm": "serve/1", "server": "yes", "addresses": [address, "10.9.0.2"]})

    assert parse_server(said).addresses == ("10.9.0.2",)


def test_what_others_had_of_a_guests_processors_is_not_its_work() -> None:
    assert parse_work('{"rscvm":"work/1","ticks":"cpu 100 0 0 60 0 0 0 40 0 0"}').busy == 1.0


def test_a_process_whose_mark_is_another_is_left_alone() -> None:
    with subprocess.Popen(
        ["sleep", "60"], env={"XRSCVM_BENCH": "served-for-a-while-not", "PATH": os.environ["PATH"]}
    ) as other:
        try:
            ran(end_serving())
            assert other.poll() is None
        finally:
            other.kill()
