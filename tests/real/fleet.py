"""Ansible on a client, and the hosts that its inventory has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.real.remote import Site

ROOT = Path(__file__).parent.parent.parent
VERSIONS = {"newest": ROOT / "build/fleet-venv/bin", "oldest": ROOT / "build/fleet-oldest-venv/bin"}
"""The programs of the newest and of the oldest ansible-core that are supported; `make fleet` installs them."""


def inventory(site: Site, hosts: Mapping[str, Mapping[str, Any]]) -> Path:
    """An inventory of these hosts, each with its address and what else is said of it."""
    known = f"-o UserKnownHostsFile={site.at / 'known_hosts'}"
    common = {"ansible_user": "root", "ansible_ssh_private_key_file": str(site.at / "id")}
    rows = {name: {"ansible_ssh_common_args": known, **common, **more} for name, more in hosts.items()}
    path = site.at / "inventory.json"
    path.write_text(json.dumps({"all": {"hosts": rows}}))
    return path


def ansible(
    site: Site,
    program: str,
    *words: str,
    version: str = "newest",
    env: Mapping[str, str] | None = None,
    timeout: float = 240,
) -> CompletedProcess[str]:
    """One of Ansible's programs on the client; nothing that it says is a traceback."""
    own = {"PYTHONPATH": str(ROOT), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": "/run/ansible", **(env or {})}
    argv = [str(VERSIONS[version] / program), *words]
    done = site.client.run(argv, env={"LC_ALL": "C.UTF-8", "COLUMNS": "200", **own}, timeout=timeout)
    told = CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in told.stdout + told.stderr, told.stdout + told.stderr
    return told


def playbook(site: Site, name: str, *words: str, **more: Any) -> CompletedProcess[str]:
    """One playbook of the collection, as it lies in the tree, on the inventory that was written last."""
    path = ROOT / "playbooks" / name
    return ansible(site, "ansible-playbook", "-i", str(site.at / "inventory.json"), str(path), *words, **more)


def module(site: Site, name: str, options: Mapping[str, Any], *words: str, **more: Any) -> dict[str, Any]:
    """What a module of the collection returns, by the name of each host of the inventory."""
    results = site.at / "results.json"
    results.unlink(missing_ok=True)
    registered = (
        "dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'done')))"
    )
    tasks: Sequence[dict[str, Any]] = (
        {f"rscvm.kvm.{name}": dict(options), "register": "done", "ignore_errors": True, "ignore_unreachable": True},
        {
            "ansible.builtin.copy": {"dest": str(results), "content": f"{{{{ {registered} | to_json }}}}"},
            "run_once": True, "delegate_to": "localhost", "connection": "local", "check_mode": False,
            "become": False,
        },
    )  # fmt: skip
    play = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
    path = site.at / "play.yml"
    path.write_text(json.dumps(play))
    env = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"), **more.pop("env", {})}
    words = ("-i", str(site.at / "inventory.json"), str(path), *words)
    done = ansible(site, "ansible-playbook", *words, env=env, **more)
    assert results.exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(results.read_text())
    return found


def changed(done: CompletedProcess[str]) -> dict[str, int]:
    """How many changes the recap tells of, by host."""
    recap = done.stdout.partition("PLAY RECAP")[2].splitlines()[1:]
    rows = (line.split(":", 1) for line in recap if ":" in line)
    return {name.strip(): int(rest.split("changed=")[1].split()[0]) for name, rest in rows}
