"""How long a host takes to be healed by its own undo, measured: whoever waits for the lock makes it no longer.

A host is healed when its patience has ended and the undo has come. Patience is a sleep of 25 s, which nobody can make
longer; here its end is when the test says so, once all who wait are there, and what comes after it is measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tests.real.host_settings import GRO, SETTING, Before, feature, instead, ours
from tests.real.hypervisor import wait_for
from tests.real.remote import Site

PATIENCE = 25
"""Seconds that a host waits for a run that sets one thing."""
PROMISED = (PATIENCE + 3 * 2) / PATIENCE
"""It asks for the lock three times for 2 s, ousts who keeps it, and then comes without it."""
BUSY = 0.5
"""What a busy machine may add to that."""
WAITERS = 8
LOCK = "/var/lib/rscvm/lab/lock"

# The first patience there ends when the test says so, and the first setting once whoever asked for it is dead.
SLEEP = f"""
[ "$1" = {PATIENCE} ] && mkdir "$AT/armed" 2>/dev/null || exec "$REAL" "$@"
until [ -e "$AT/due" ]; do "$REAL" 0.05; done
read -r now _ </proc/uptime && echo "$now" >"$AT/came"
"""
ETHTOOL = f"""
case "$*" in
{SETTING}) ! mkdir "$AT/begun" 2>/dev/null || until [ -e "$AT/dead" ]; do sleep 0.05; done ;;
esac
"$REAL" "$@"
status=$?
case "$*" in
"-K nic0"*"generic-receive-offload off"*)
    [ -e "$AT/healed" ] || {{ read -r now _ </proc/uptime && echo "$now" >"$AT/now" && mv "$AT/now" "$AT/healed"; }} ;;
esac
exit "$status"
"""
APPLY = 'setsid "$@" >/dev/null 2>&1 &'
KEEP = 'setsid flock "$1" sh -c "touch \'$2/kept\'; exec sleep 600" >/dev/null 2>&1 &'
# Each of its commands is in a session of its own, so that only that is ended with it.
WAIT = """
export AT="$1" NUMBER="$2"
shift 2
setsid sh -c 'until [ -e "$AT/healed" ]; do setsid "$@" || : >"$AT/refused-$NUMBER"; done' sh "$@" >/dev/null 2>&1 &
"""


def soon() -> float:
    return time.monotonic() + 90


def rscvm(site: Site, command: str) -> list[str]:
    """A command on the very host that it sets."""
    path = site.at / "lab.yaml"
    path.write_text(f"version: 1\nhosts:\n  local:\n{GRO}\n")
    return [sys.executable, "-m", "provision", command, str(path)]


@contextmanager
def timed(site: Site) -> Iterator[None]:
    """A host that notes when its patience ended and when it was healed, for the block."""
    fakes = [instead(site, "sleep", SLEEP), instead(site, "ethtool", ETHTOOL)]
    try:
        yield
    finally:
        for real in fakes:
            site.remote.output(["umount", "--lazy", real])


def cut_off(site: Site, apply: Sequence[str]) -> None:
    """An `apply` that was killed at its setting, with nothing of it left but the undo that it had armed."""
    site.remote.output(["sh", "-c", APPLY, "sh", *apply])
    wait_for((site.at / "begun").exists, soon(), "the setting")
    (victim,) = (pid for pid, argv in site.remote.processes().items() if "provision" in argv)
    site.remote.output(["kill", "-9", str(victim)])
    (site.at / "dead").touch()
    wait_for(lambda: not site.remote.path(LOCK).exists(), soon(), "the end of the lock")
    assert feature(site, "generic-receive-offload") is True


def crowd(site: Site, command: Sequence[str]) -> None:
    """One who keeps the lock for ever, and many who want it, over and over until the host is healed."""
    site.remote.output(["sh", "-c", KEEP, "sh", LOCK, str(site.at)])
    wait_for((site.at / "kept").exists, soon(), "the keeper of the lock")
    for number in range(WAITERS):
        site.remote.output(["sh", "-c", WAIT, "sh", str(site.at), str(number), *command])
    wait_for(lambda: len([*site.at.glob("refused-*")]) == WAITERS, soon(), "all of them to be refused")


def healed_after(site: Site, name: str, waiting: Sequence[str] = ()) -> float:
    """Seconds from an undo's arming until what was found has been put back; in a crowd that wants to do that command."""
    apply, down = rscvm(site, "apply"), rscvm(site, "down")
    at = site.at / name
    at.mkdir()
    site = replace(site, at=at)
    with timed(site):
        cut_off(site, apply)
        if waiting:
            crowd(site, waiting)
        assert not (at / "healed").exists()
        (at / "due").touch()
        wait_for((at / "healed").exists, soon(), "the undo")
        wait_for(lambda: ours(site.remote) == [], soon(), "everybody's end")
    assert site.remote.run(down).returncode == 0
    return PATIENCE + float((at / "healed").read_text()) - float((at / "came").read_text())


def test_a_host_whose_lock_many_want_is_healed_as_soon_as_one_that_nobody_waits_for(
    site: Site, before: Before
) -> None:
    """Those who want it would put back what was found, too, where they are rscvm; others only take it."""
    took = ["flock", "-w", "1", LOCK, "sleep", "1"]

    alone = healed_after(site, "alone")
    before.holds()
    beside_rscvm = healed_after(site, "beside-rscvm", rscvm(site, "apply"))
    before.holds()
    beside_others = healed_after(site, "beside-others", took)
    before.holds()

    times = f"{alone} s alone, {beside_rscvm} s beside rscvm, {beside_others} s beside others"
    assert max(beside_rscvm, beside_others) / alone < PROMISED + BUSY, times
