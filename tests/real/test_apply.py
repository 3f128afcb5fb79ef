"""Hosts' own settings over real SSH: declared, set, read back, put back; the NIC is a veth."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from provision.facts.ethtool import parse_features
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, remote_site

STRANGE = "a;b$(x)'&|"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host with a NIC of its own besides the one that leads to it."""
    with remote_site(tmp_path) as found:
        found.remote.output(["ip", "link", "add", "nic0", "type", "veth", "peer", "name", "far0"])
        yield found


def lab(site: Site, declared: str, more: str = "") -> Path:
    path = site.at / "lab.yaml"
    path.write_text(
        f"version: 1\nhosts:\n  hv:\n    address: {REMOTE}\n    user: root\n"
        f"    identity: {site.at / 'id'}\n    known_hosts: {site.at / 'known_hosts'}\n{declared}\n{more}"
    )
    return path


def rscvm(site: Site, *arguments: str, env: dict[str, str] | None = None) -> CompletedProcess[str]:
    done = site.client.run([sys.executable, "-m", "provision", *arguments], timeout=240, env=env)
    return CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def feature(site: Site, name: str, device: str = "nic0") -> Any:
    said = site.remote.output(["ethtool", "--json", "-k", device])
    return parse_features(said)[device][name].active


def leftovers(site: Site) -> set[str]:
    return {
        name for name in site.remote.snapshot().files if not name.startswith(("accelerators", "lab/journal"))
    } - {"lab"}


GRO = "    nics: {nic0: {features: {generic-receive-offload: on, tcp-segmentation-offload: off}}}"


def test_what_is_declared_is_shown_set_read_back_and_put_back(site: Site) -> None:
    path = str(lab(site, GRO + "\n    bridges: {br0: {address: 10.9.0.1/24}}"))
    site.remote.output(["ethtool", "-K", "nic0", "gro", "off"])
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


def instead(site: Site, program: str, script: str) -> None:
    """Let a script stand for a program of the host's, which it finds as REAL."""
    directory = site.at / "instead"
    directory.mkdir(exist_ok=True)
    real = site.remote.output(["sh", "-c", f"command -v {program}"]).strip()
    fake = directory / program
    fake.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
    fake.chmod(0o755)
    site.remote.output(["mount", "--bind", str(real), str(real)])
    kept = directory / f"real-{program}"
    site.remote.output(["cp", "--", real, str(kept)])
    fake.write_text(f"#!/bin/sh\nREAL={kept}\n{script}\n")
    site.remote.output(["mount", "--bind", str(fake), str(real)])


def test_a_setting_that_takes_the_link_down_is_put_back_by_the_host_itself(site: Site) -> None:
    """The program that downs the link stands for a driver that does so; all else is real."""
    path = str(lab(site, GRO))
    site.remote.output(["ethtool", "-K", "nic0", "gro", "off"])
    before = site.remote.ethtool_features("nic0")
    instead(
        site,
        "ethtool",
        'case "$*" in "-K nic0"*"generic-receive-offload on"*) "$REAL" "$@"; exec ip link set dev wire down ;; '
        '"-K nic0"*) ip link set dev wire up ;; esac; exec "$REAL" "$@"',
    )

    done = rscvm(site, "apply", path)

    assert done.returncode == 3
    assert "its own undo has put back what was found, which was read back" in done.stderr
    site.remote.output(["umount", site.remote.output(["sh", "-c", "command -v ethtool"]).strip()])
    assert site.remote.ethtool_features("nic0") == before
    assert "UP" in site.remote.links()["wire"]["flags"]


def test_killed_between_setting_and_confirming_the_host_puts_it_back(site: Site) -> None:
    path = str(lab(site, GRO))
    site.remote.output(["ethtool", "-K", "nic0", "gro", "off"])
    before = site.remote.ethtool_features("nic0")
    instead(
        site,
        "ethtool",
        f'case "$*" in "--json -k"*) [ ! -e {site.at}/set ] || sleep 5;; -K*) touch {site.at}/set;; esac; exec "$REAL" "$@"',
    )
    site.remote.output(["rm", "-f", f"{site.at}/set"])
    command = [*site.client.entering(), sys.executable, "-m", "provision", "apply", path]

    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        wait_for(lambda: feature(site, "generic-receive-offload"), time.monotonic() + 60, "the setting")
        victim = next(pid for pid, argv in site.client.processes().items() if "apply" in argv)
        site.client.output(["kill", f"-{int(signal.SIGKILL)}", str(victim)])
        process.communicate(timeout=60)
    site.remote.output(["rm", "-f", f"{site.at}/set"])

    wait_for(
        lambda: not feature(site, "generic-receive-offload"), time.monotonic() + 90, "the host's own undo"
    )
    assert site.remote.ethtool_features("nic0") == before
    assert rscvm(site, "apply", path).returncode == 0
    assert rscvm(site, "down", path).returncode == 0
    assert leftovers(site) == set()
