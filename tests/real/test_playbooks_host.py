"""host.yml on real hosts: foretold exactly, set once, put back when it fails or is cut off, and by whoever may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.real.fleet import ROOT, VERSIONS, ansible, changed, inventory, module, playbook
from tests.real.host_settings import (
    GRO as GRO_LINE,
)
from tests.real.host_settings import (
    SECOND,
    SETTING,
    Before,
    feature,
    impatient,
    lab,
    misbehaving,
    ours,
    rscvm,
    second_host,
    with_nic,
)
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site

pytestmark = pytest.mark.real

GRO = {"nic0": {"features": {"generic-receive-offload": True, "tcp-segmentation-offload": False}}}
BRIDGE = {"br-x": {"address": "10.77.0.1/24"}}
HV1 = {"ansible_host": REMOTE, "nics": GRO}
HOST = ROOT / "playbooks" / "host.yml"
PASSWORD = "of a user of a namespace"  # noqa: S105
ALICE = {"ansible_user": "alice", "ansible_port": 2222}


@pytest.fixture
def other(site: Site) -> Iterator[Site]:
    with second_host(site) as made:
        with_nic(made)
        yield made


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_foretold_is_done_and_once_done_it_is_done(site: Site, before: Before, version: str) -> None:
    inventory(site, {"hv1": {**HV1, "bridges": BRIDGE}})
    site.remote.output(["sh", "-c", "echo 'echo a login says; echo what it likes >&2' >~root/.bashrc"])

    with site.remote.without("python3"):
        foretold = playbook(site, "host.yml", "--check", "--diff", version=version)
        before.holds()
        done = playbook(site, "host.yml", "--diff", version=version)
        again = playbook(site, "host.yml", "--diff", version=version)
        back = playbook(site, "host.yml", "--diff", "-e", "rscvm_state=absent", version=version)

    assert foretold.stdout == done.stdout
    assert "+   generic-receive-offload: on" in done.stdout, done.stdout
    assert [changed(each) for each in (done, again, back)] == [{"hv1": 1}, {"hv1": 0}, {"hv1": 1}]
    before.holds()
    assert "br-x" not in site.remote.snapshot().links


def test_the_commands_that_are_told_of_are_those_that_are_run(site: Site, before: Before) -> None:
    inventory(site, {"hv1": HV1})
    options = {"nics": GRO, "bridges": BRIDGE}

    foretold = module(site, "host_nics", options, "--check")["hv1"]
    done = module(site, "host_nics", options)["hv1"]
    takes_back = module(site, "host_nics", {"state": "absent"}, "--check")["hv1"]
    taken_back = module(site, "host_nics", {"state": "absent"})["hv1"]

    assert foretold["commands"] == done["commands"]
    assert any("generic-receive-offload on" in command for command in done["commands"])
    assert foretold["diff"] == done["diff"]
    assert takes_back == taken_back
    assert taken_back["changed"] is True
    before.holds()


def test_a_host_that_fails_keeps_no_other_from_being_set(site: Site, before: Before, other: Site) -> None:
    rows: dict[str, dict[str, Any]] = {
        "hv1": {"ansible_host": REMOTE, "nics": {**GRO, "nic9": GRO["nic0"]}},
        "hv2": {"ansible_host": SECOND, "nics": GRO},
        "hv3": {"ansible_host": "192.0.2.9", "nics": GRO},
        "hv4": {"ansible_host": SECOND, "nics": {"nic0": {"features": {"gro": "sometimes"}}}},
    }
    inventory(site, rows)

    done = playbook(site, "host.yml")

    assert done.returncode != 0
    assert feature(other, "generic-receive-offload") is True
    assert changed(done) == {"hv1": 0, "hv2": 1, "hv3": 0, "hv4": 0}
    recap = dict(
        row.split(":", 1) for row in done.stdout.partition("PLAY RECAP")[2].splitlines() if ":" in row
    )
    recap = {name.strip(): rest for name, rest in recap.items()}
    assert all("failed=1" in recap[name] for name in ("hv1", "hv4"))
    assert "unreachable=1" in recap["hv3"]
    assert "nic9" in done.stdout
    assert "nics.nic0.features" in done.stdout
    before.holds()


def test_a_host_that_is_cut_off_while_it_is_set_puts_back_itself(site: Site, before: Before) -> None:
    """Whoever looks at it then finds it as it was; the module does, and says so."""
    inventory(site, {"hv1": {**HV1, "ansible_ssh_retries": 0}})
    script = f'case "$*" in {SETTING}) pkill -9 -f "^sshd.*: roo[t]"; sleep 60;; esac; exec "$REAL" "$@"'

    with impatient(site), misbehaving(site, script):
        found = module(site, "host_nics", {"nics": GRO})["hv1"]

    assert found["failed"] is True
    assert "put back what was found" in found["msg"]
    before.holds()


def kept_there() -> Iterator[Path]:
    """Where programs that run on between commands are kept: /tmp is this machine's, on every host of namespaces."""
    return Path("/tmp").glob(".rscvm-*")  # noqa: S108


def test_a_host_that_stays_cut_off_heals_without_us(site: Site, before: Before) -> None:
    inventory(site, {"hv1": {**HV1, "ansible_ssh_retries": 0}})
    script = f'case "$*" in {SETTING}) ip link set wire down; sleep 60;; esac; exec "$REAL" "$@"'
    env = {
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=3"
    }

    were = {*kept_there()}
    with impatient(site), misbehaving(site, script):
        found = module(site, "host_nics", {"nics": GRO}, env=env)["hv1"]
        gone = time.monotonic() + 60
        wait_for(lambda: not site.remote.path("/var/lib/rscvm/rscvm.kvm/.undo").exists(), gone, "the undo")
    site.remote.output(["ip", "link", "set", "wire", "up"])
    again = module(site, "host_nics", {"state": "absent"})["hv1"]

    assert found["failed"] is True
    assert again.get("failed", False) is False, again
    wait_for(lambda: not ours(site.remote), gone, "the end of what held the lock")
    wait_for(lambda: not {*kept_there()} - were, gone, "the end of its directory")
    before.holds()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lab_files_hosts_are_an_inventory(site: Site, version: str) -> None:
    """What the inventory leads to and has set is what `rscvm apply` does by the same file: nothing is left for it to do."""
    with_nic(site)
    path = lab(site, GRO_LINE, "", hosts={"hv1": REMOTE})
    source = site.at / "lab.rscvm.yml"
    source.write_text(f"plugin: rscvm.kvm.lab\nlab: {path.name}\n")
    env = {"ANSIBLE_INVENTORY_ENABLED": "rscvm.kvm.lab"}

    for option, done in (("--check", 1), ("--diff", 1), ("--diff", 0)):
        found = ansible(
            site, "ansible-playbook", "-i", str(source), str(HOST), option, env=env, version=version
        )
        assert changed(found) == {"hv1": done}, found.stdout + found.stderr
    plan = rscvm(site, "plan", str(path), "--exit-code")

    assert plan.returncode == 0, plan.stdout
    assert feature(site, "generic-receive-offload") is True


@pytest.mark.parametrize(
    ("line", "more", "words"),
    [
        ("alice ALL=(root) NOPASSWD: ALL", {}, ""),
        ("alice ALL=(root) ALL", {"ansible_become_password": PASSWORD}, ""),
        ("alice ALL=(root) ALL", {}, "sudo password"),
        ("alice ALL=(root) ALL", {"ansible_become_password": "of somebody else"}, "incorrect"),
    ],
    ids=["without a password", "with one", "without the password that it takes", "with a wrong one"],
)
def test_who_may_become_root_sets_a_host(
    site: Site, before: Before, line: str, more: dict[str, str], words: str
) -> None:
    with ExitStack() as stack:
        site.start_sshd(port=2222, user="alice")
        site.knows(f"[{REMOTE}]:2222")
        site.remote.run(["chpasswd"], input=f"alice:{PASSWORD}\n".encode())
        sudoers = site.remote.path("/etc/sudoers.d/rscvm")
        sudoers.write_text(f"{line}\nDefaults:alice passwd_tries=1\n")
        site.remote.output(["sh", "-ec", "chmod 0440 /etc/sudoers.d/rscvm; visudo -c -q"])
        stack.enter_context(site.remote.without("python3"))
        inventory(site, {"hv1": {**HV1, **ALICE, **more}})
        done = playbook(site, "host.yml")

    if words:
        assert done.returncode != 0
        assert words in done.stdout.lower() + done.stderr.lower(), done.stdout + done.stderr
        assert PASSWORD not in done.stdout
        before.holds()
    else:
        assert changed(done) == {"hv1": 1}, done.stdout + done.stderr
        assert feature(site, "generic-receive-offload") is True
