"""Hosts' own settings over real SSH: declared, set, read back, put back; the NIC is a veth."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.host_settings import (
    GRO,
    SETTING,
    Before,
    feature,
    impatient,
    lab,
    leftovers,
    misbehaving,
    ours,
    rscvm,
    running,
    with_nic,
)
from tests.real.hypervisor import wait_for
from tests.real.remote import Site, remote_site

STRANGE = "a;b$(x)'&|"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host with a NIC of its own besides the one that leads to it."""
    with remote_site(tmp_path) as found:
        with_nic(found)
        yield found


def test_what_is_declared_is_shown_set_read_back_and_put_back(site: Site) -> None:
    path = str(lab(site, GRO + "\n    bridges: {br0: {address: 10.9.0.1/24}}"))
    before = site.remote.ethtool_features("nic0")

    plan = rscvm(site, "plan", path, "--exit-code")
    dry = rscvm(site, "apply", path, "--dry-run")
    between = site.remote.ethtool_features("nic0")
    applied = rscvm(site, "apply", path, "--json")
    again = rscvm(site, "plan", path, "--exit-code")

    assert plan.returncode == 1, plan.stderr
    assert "-   generic-receive-offload: off" in plan.stdout
    assert "+   generic-receive-offload: on  (gathers what comes in" in plan.stdout
    assert "make bridge br0" in plan.stdout
    assert dry.returncode == 0
    assert between == before
    assert applied.returncode == 0, applied.stderr
    [row] = json.loads(applied.stdout)["hosts"]
    assert [step["what"] for step in row["steps"]] == ["make bridge br0", "set nic0's features"]
    assert (feature(site, "generic-receive-offload"), feature(site, "tx-tcp-segmentation")) == (True, False)
    assert again.returncode == 0, again.stdout
    assert leftovers(site) == set()
    assert ours(site.remote) == [], "the undo is disarmed, and its process has ended"

    down = rscvm(site, "down", path)

    assert down.returncode == 0, down.stderr
    assert site.remote.ethtool_features("nic0") == before
    assert "br0" not in site.remote.links()
    assert site.remote.snapshot().files == {}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{nic0: {features: {rx-vlan-filter: on}}}", "rx-vlan-filter: its driver has it fixed off"),
        ("{nic0: {features: {no-such: on}}}", "the NIC has no such feature"),
        ("{nic0: {coalesce: {rx-usecs: 3}}}", "Operation not supported"),
        ("{gone0: {features: {generic-receive-offload: on}}}", "there is no such device"),
        ("{nic0: {persist: link}}", "persist: link needs a permanent MAC address"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_touched(site: Site, declared: str, words: str) -> None:
    before = site.remote.ethtool_features("nic0")

    done = rscvm(site, "apply", str(lab(site, f"    nics: {declared}")))

    assert done.returncode == 3
    assert words in done.stderr
    assert site.remote.ethtool_features("nic0") == before
    assert site.remote.snapshot().files == {}


def test_a_nic_with_a_strange_name_is_set_and_nothing_else_happens(site: Site) -> None:
    site.remote.output(["ip", "link", "set", "dev", "nic0", "name", STRANGE])
    path = str(
        lab(site, f"    nics: {{{json.dumps(STRANGE)}: {{features: {{generic-receive-offload: on}}}}}}")
    )
    site.remote.output(["ethtool", "-K", STRANGE, "gro", "off"])

    done = rscvm(site, "apply", path)

    assert done.returncode == 0, done.stderr
    assert feature(site, "generic-receive-offload", STRANGE) is True
    assert rscvm(site, "down", path).returncode == 0
    assert feature(site, "generic-receive-offload", STRANGE) is False


def test_a_setting_that_takes_the_link_down_is_put_back_by_the_host_itself(site: Site) -> None:
    """The program that downs the link stands for a driver that does so; all else is real."""
    path = str(lab(site, GRO))
    before = Before(site, site.remote.ethtool_features("nic0"))
    script = (
        f'case "$*" in {SETTING}) "$REAL" "$@"; exec ip link set dev wire down ;; '
        '"-K nic0"*) ip link set dev wire up ;; esac; exec "$REAL" "$@"'
    )

    with misbehaving(site, script):
        done = rscvm(site, "apply", path)

    assert done.returncode == 3
    assert "its own undo has put back what was found, which was read back" in done.stderr
    assert "UP" in site.remote.links()["wire"]["flags"]
    before.holds()


READING_HANGS = (
    'case "$*" in "--json -k"*) [ ! -e $AT/set ] || sleep 5;; -K*) "$REAL" "$@"; touch $AT/set; exit;; esac; '
    'exec "$REAL" "$@"'
)


def killed_between_setting_and_confirming(site: Site, path: str) -> None:
    with misbehaving(site, READING_HANGS), running(site, "apply", path) as apply:
        apply.when("set")
        apply.signal(signal.SIGKILL)
        apply.process.communicate(timeout=60)
    assert feature(site, "generic-receive-offload")


def test_killed_between_setting_and_confirming_the_host_puts_it_back(site: Site) -> None:
    path = str(lab(site, GRO))
    before = site.remote.ethtool_features("nic0")

    with impatient(site):
        killed_between_setting_and_confirming(site, path)
        wait_for(lambda: "lab/.undo.fired" in leftovers(site), time.monotonic() + 90, "the host's own undo")
    wait_for(lambda: not ours(site.remote), time.monotonic() + 10, "its end")

    assert site.remote.ethtool_features("nic0") == before
    again = rscvm(site, "apply", path)
    assert again.returncode == 0, again.stderr
    assert "an earlier run was cut off while it set hv: what that had found has been put back" in again.stderr
    assert leftovers(site) == set()
    assert rscvm(site, "down", path).returncode == 0
    assert site.remote.snapshot().files == {}


@pytest.mark.parametrize("next_run", ["apply", "down"])
def test_a_run_right_after_a_killed_one_does_not_wait_for_its_undo_nor_is_undone_by_it(
    site: Site, next_run: str
) -> None:
    path = str(lab(site, GRO))
    before = site.remote.ethtool_features("nic0")

    killed_between_setting_and_confirming(site, path)
    done = wait_for(
        lambda: (ended := rscvm(site, next_run, path)).returncode == 0 and ended,
        time.monotonic() + 60, "the lock's end",
    )  # fmt: skip

    assert done
    assert "an earlier run was cut off while it set hv" in done.stderr
    assert feature(site, "generic-receive-offload") is (next_run == "apply")
    assert ours(site.remote) == [], "an undo that is still armed would put it back"
    assert rscvm(site, "down", path).returncode == 0
    assert site.remote.ethtool_features("nic0") == before
    assert site.remote.snapshot().files == {}


def test_of_two_labs_that_set_one_nic_each_puts_back_its_own(site: Site) -> None:
    before = site.remote.ethtool_features("nic0")
    copy = lab(site, "    nics: {nic0: {features: {tx-nocache-copy: on}}}").rename(site.at / "other.yaml")
    gro = lab(site, GRO)

    done = [rscvm(site, "apply", str(path)) for path in (gro, copy)]
    first = rscvm(site, "down", str(gro))
    between = feature(site, "generic-receive-offload"), feature(site, "tx-nocache-copy")
    second = rscvm(site, "down", str(copy))

    assert [run.returncode for run in (*done, first, second)] == [0] * 4
    assert between == (False, True)
    assert site.remote.ethtool_features("nic0") == before
    assert site.remote.snapshot().files == {}
