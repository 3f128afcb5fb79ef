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
    """Whether it is the program, or what that becomes."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text()
        return "sleep" in words or "iperf3" in words
    except FileNotFoundError:
        return False


def serving(folder: Path, count: int) -> list[str]:
    """Start one that says what it is; returned is what each said by now, once so many have."""
    program(folder, "iperf3", f'echo "$$ $*" >>{folder}/said; exec sleep 60')
    found = parse_server(ran(serve(MAC, 5299, 50), folder))
    assert (found.started, found.addresses) == (True, ())
    until, said = time.monotonic() + 20, folder / "said"
    while not said.exists() or len(said.read_text().splitlines()) < count:
        assert time.monotonic() < until, "it did not start"
    return said.read_text().splitlines()


def test_a_server_is_started_and_ended_by_its_mark_and_nobody_else_is(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            [line] = serving(tmp_path, 1)
            number, *words = line.split()
            assert words == ["-s", "-p", "5299"]

            ran(end_serving())

            assert not lives(int(number))
            assert other.poll() is None
        finally:
            other.kill()


def test_a_server_that_was_left_over_makes_room_for_the_next(tmp_path: Path) -> None:
    serving(tmp_path, 1)
    first, second = (int(line.split()[0]) for line in serving(tmp_path, 2))
    alive = (lives(first), lives(second))
    ran(end_serving())

    assert alive == (False, True)


def test_the_adapters_addresses_are_told_and_no_others(tmp_path: Path) -> None:
    """Composed: what iproute2 6.1 and busybox 1.35 say of a device in one line each."""
    lines = [
        "2: eth0    inet 10.9.0.2/24 scope global eth0\\\\       valid_lft forever preferred_lft forever",
        "2: eth0    inet6 fd00::2/64 scope global \\\\       valid_lft forever preferred_lft forever",
    ]
    program(tmp_path, "ip", "\n".join(f"echo '{line}'" for line in lines))
    program(tmp_path, "cat", f"echo {MAC}")
    script = serve(MAC, 5299, 50)
    here = Script(script.shell, script.name, script.text.replace("/sys/class/net/*", str(tmp_path)))
    (tmp_path / "device").mkdir()

    assert parse_server(ran(here, tmp_path)).addresses == ("10.9.0.2", "fd00::2")
    ran(end_serving())


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
