"""One at a time, and nothing stale."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.hypervisor import Hypervisor, Snapshot, wait_for


@pytest.fixture
def there(hypervisor: Hypervisor, tmp_path: Path) -> Lab:
    """A lab whose guest never has a driver, so that `up` waits."""
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + guest_machine("qemu", "vm", switch="rsc.driver=none", nics="[{bridge: br-lab}]"))
    return Lab(hypervisor, path)


def without_console(snapshot: Snapshot) -> Snapshot:
    """The guest goes on booting meanwhile."""
    return replace(
        snapshot, files={path: said for path, said in snapshot.files.items() if not path.endswith(".log")}
    )


def start(there: Lab, *arguments: str) -> subprocess.Popen[str]:
    inside = there.host.entering()
    command = [sys.executable, "-m", "provision", *arguments]
    return subprocess.Popen([*inside, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, "ended before it said so"


def test_of_two_runs_one_works_and_the_other_says_who_does(there: Lab) -> None:
    with start(there, "up", str(there.path), "--wait", "60") as first:
        lines_until(first, "waiting up to")

        up, down = there.run("up"), there.run("down")
        check = there.run("check")
        victim = next(
            pid for pid, argv in there.host.processes().items() if "provision" in argv and "up" in argv
        )
        there.host.output(["sh", "-c", f"kill -{signal.SIGINT} {victim}"])
        first.communicate(timeout=60)

    assert up.returncode == down.returncode == 3
    assert "lab lab is being changed by root@" in up.stderr
    assert "rscvm up, process" in down.stderr
    assert check.returncode == 4, "reading needs no lock"
    assert there.run("down").returncode == 0


def test_a_killed_holder_leaves_no_lock(there: Lab) -> None:
    with start(there, "up", str(there.path), "--wait", "60") as first:
        lines_until(first, "waiting up to")
        victim = next(
            pid for pid, argv in there.host.processes().items() if "provision" in argv and "up" in argv
        )
        there.host.output(["sh", "-c", f"kill -9 {victim}"])
        first.communicate(timeout=60)

    gone = wait_for(
        lambda: "lab/lock" not in there.host.snapshot().files, time.monotonic() + 10, "the lock's end"
    )
    assert gone
    assert there.run("up", "--no-check").returncode == 0
    assert there.run("down").returncode == 0


def test_a_lock_file_that_nobody_holds_is_taken_over(there: Lab) -> None:
    there.host.output(
        ["sh", "-c", "mkdir -p /var/lib/rscvm/lab && echo 'somebody long dead' >/var/lib/rscvm/lab/lock"]
    )

    assert there.run("up", "--no-check").returncode == 0
    assert there.run("down").returncode == 0
    assert not [name for name in there.host.snapshot().files if name.startswith("lab")]


@pytest.mark.parametrize(
    ("loosen", "why"),
    [
        ("chmod 0777 /var/lib/rscvm", "/var/lib/rscvm can be written by others (mode 777)"),
        ("chmod 0775 /var/lib/rscvm/lab", "/var/lib/rscvm/lab can be written by others (mode 775)"),
        ("chown 65534 /var/lib/rscvm/lab", "/var/lib/rscvm/lab belongs to uid 65534"),
        (
            "chown 65534 /var/lib/rscvm/lab/journal.json",
            "/var/lib/rscvm/lab/journal.json belongs to uid 65534",
        ),
        ("chmod 0666 /var/lib/rscvm/lab/journal.json", "journal.json can be written by others (mode 666)"),
        ("chmod 1775 /var/lib/rscvm && chown 65534 /var/lib/rscvm", "/var/lib/rscvm belongs to uid 65534"),
    ],
)
def test_what_others_can_write_is_not_believed(there: Lab, loosen: str, why: str) -> None:
    host = there.host
    assert there.run("up", "--no-check").returncode == 0
    modes = "find /var/lib/rscvm -maxdepth 2 -printf 'chown %U %p; chmod %m %p; '"
    tighten = host.output(["sh", "-c", modes])
    host.output(["sh", "-c", loosen])
    before = without_console(host.snapshot())

    downs = [there.run("down"), there.run("up", "--no-check")]

    assert [done.returncode for done in downs] == [3, 3]
    assert all(f"is not believed: {why}" in done.stderr or why in done.stderr for done in downs)
    assert without_console(host.snapshot()) == before
    assert there.run("status").returncode == 0
    host.output(["sh", "-c", tighten])
    assert there.run("down").returncode == 0


def test_a_directory_that_is_not_believed_is_left_as_it_was(there: Lab) -> None:
    there.host.output(["sh", "-c", "mkdir -p /var/lib/rscvm && chmod 0777 /var/lib/rscvm"])
    before = there.host.snapshot()

    up = there.run("up", "--no-check")

    assert up.returncode == 3
    assert there.host.snapshot() == before


def test_a_sticky_directory_of_roots_and_the_one_of_sudos_user_are_believed(there: Lab) -> None:
    there.host.output(["sh", "-c", "mkdir -p /var/lib/rscvm && chmod 1777 /var/lib/rscvm"])
    assert there.run("up", "--no-check").returncode == 0
    assert there.run("down").returncode == 0
    there.host.output(["sh", "-c", "chmod 0755 /var/lib/rscvm && chown 65534 /var/lib/rscvm"])

    assert there.run("up", "--no-check").returncode == 3
    command = [sys.executable, "-m", "provision", "up", str(there.path), "--no-check"]
    assert there.host.run(command, env={"SUDO_UID": "65534"}).returncode == 0
