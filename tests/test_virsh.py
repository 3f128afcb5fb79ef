"""A libvirt that is read by virsh tells what the binding does; virsh is real, and libvirt's own test driver answers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.edges.libvirt.connection import Libvirt
from provision.edges.relayed.batch import BatchStream
from provision.edges.relayed.virsh import VirshLibvirt
from provision.edges.shell import ShellHost
from provision.runtime.errors import DeadlineError, HostError, RefusedError, UnreadableError
from tests.connection import Here

TEST = "test:///default"
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"


def by_virsh(uri: str = TEST, path: str = "") -> VirshLibvirt:
    here = Here(path)
    return VirshLibvirt(ShellHost("there", lambda _: BatchStream("there", here)), uri)


def test_what_the_binding_tells_virsh_tells() -> None:
    binding, virsh = Libvirt(TEST), by_virsh()

    assert virsh.domains(()) == binding.domains(())
    one = virsh.domain("test")
    assert one is not None
    assert replace(one, run="") == binding.domain("test")
    assert virsh.domain("none") is binding.domain("none") is None
    assert virsh.runs() == binding.runs()
    assert virsh.network("default") == binding.network("default")
    assert virsh.network("none") is binding.network("none") is None
    assert virsh.version() == binding.version()


def test_nothing_is_changed_by_virsh() -> None:
    virsh = by_virsh()

    for change in (virsh.define, virsh.undefine, virsh.start, virsh.shutdown, virsh.destroy):
        with pytest.raises(HostError, match="is only asked"):
            change("test")
    assert virsh.domains(())[0].state == "running"


def test_a_libvirt_that_is_not_there() -> None:
    with pytest.raises(HostError, match=r"libvirt .* on there does not answer") as failure:
        by_virsh("qemu+unix:///system?socket=/nowhere").domains(())

    assert "libvirtd running" in failure.value.hint


def standing_in(tmp_path: Path, script: str) -> VirshLibvirt:
    """A virsh that is this script, with the question as its last argument."""
    virsh = tmp_path / "virsh"
    virsh.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
    virsh.chmod(0o755)
    return by_virsh(path=str(tmp_path))


def test_a_host_without_virsh(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="virsh not found on there") as failure:
        standing_in(tmp_path, "exit 127").version()

    assert "libvirt-clients" in failure.value.hint


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ('{"return": {"a": [1]}}', None, ""),
        (
            '{"error": {"class": "DeviceNotFound", "desc": "no \\\\u001b[31m such"}}',
            RefusedError,
            "QEMU refused ask: no ",
        ),
        ("nothing of JSON", UnreadableError, "QEMU's answer to ask"),
        ("[1]", UnreadableError, "QEMU's answer to ask"),
        ('{"error": 7}', UnreadableError, "QEMU's answer to ask"),
        ("{}", UnreadableError, "QEMU's answer to ask"),
        ("", UnreadableError, "QEMU's answer to ask"),
    ],
)
def test_what_a_monitor_says(tmp_path: Path, said: str, error: type[Exception] | None, words: str) -> None:
    monitor = standing_in(tmp_path, f"printf '%s\\n' '{said}'").monitor("vm")

    if error is None:
        assert monitor.execute("ask") == {"a": [1]}
    else:
        with pytest.raises(error, match=words) as failure:
            monitor.execute("ask")
        assert "\x1b" not in str(failure.value)


def test_a_monitor_that_hangs_is_asked_once_and_too_many_are_none(tmp_path: Path) -> None:
    """`timeout` has ended virsh: that it says so by 124 is all that this stand-in knows of time."""
    asked = tmp_path / "asked"
    libvirt = standing_in(tmp_path, f"echo >>{asked}; exit 124")

    for number in range(12):
        monitor = libvirt.monitor(f"vm{number}")
        monitor.ahead([("query-status", {}), ("query-pci", {}), ("query-name", {})])
        for _ in range(2):
            with pytest.raises(DeadlineError, match=f"vm{number}'s monitor did not answer"):
                monitor.execute("query-status")
    assert len(asked.read_text().splitlines()) == 12
    with pytest.raises(HostError, match="12 others hang"):
        libvirt.monitor("vm12")


def test_a_list_that_is_no_list_and_xml_that_is_none(tmp_path: Path) -> None:
    """A hostile host: uuids that are words for virsh, a state that no list has, XML that is none."""
    script = f"case \"$*\" in *list*) printf '%s\\n' '--all' 'x y' {UUID} {UUID};; *) echo '<x'; esac"

    (found,) = standing_in(tmp_path, script).domains(())

    assert (found.name, found.live_xml) == (UUID, "")
    assert "no XML" in found.trouble


def test_what_is_asked_ahead_goes_in_two_batches(tmp_path: Path) -> None:
    """The first alone, for who does not answer it answers no other."""
    libvirt = standing_in(tmp_path, 'printf \'{"return": %s}\' "$last"')
    monitor = libvirt.monitor("vm")
    questions = [("ask", {"number": number}) for number in range(5)]

    monitor.ahead(questions)
    count = libvirt._host._host._shell.stream._connection.count  # type: ignore[attr-defined]
    answers = [monitor.execute(*question) for question in reversed(questions)]

    assert count == libvirt._host._host._shell.stream._connection.count == 2  # type: ignore[attr-defined]
    assert answers == [{"execute": "ask", "arguments": arguments} for _, arguments in reversed(questions)]
