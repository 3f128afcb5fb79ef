"""Evidence of real machines, judged where none of them is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.real.conftest import HEAD, ROOT, SWITCHES, Lab, guest_machine
from tests.real.hypervisor import Hypervisor


def elsewhere(*arguments: str, stdin: str = "") -> tuple[int, Any]:
    """rscvm in a network namespace without anything, as a user who reaches no host."""
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "provision", *arguments],
        input=stdin, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_what_was_saved_of_running_machines_is_judged_elsewhere(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    machines = [
        guest_machine(backend, name, switch=SWITCHES[name], nics="[{bridge: br-lab}]")
        for name in ("willing", "declining")
    ]
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + "".join(machines))
    there = Lab(hypervisor, path)
    up = there.run("up", "--wait", "60")
    assert up.returncode == 1, up.stderr
    tap = there.nics("willing")["willing.net0"]["tap"]
    hypervisor.output(["ethtool", "-K", tap, "tx", "off"])

    saved = there.run("check", "--save", str(tmp_path / "ev"), "--json")
    again = there.run("check", "--save", str(tmp_path / "ev"))
    pasted = hypervisor.output(["ethtool", "-k", tap])
    connected = _connected(there, tmp_path) if backend == "libvirt" else None
    assert there.run("down").returncode == 0
    path.unlink()

    assert (again.returncode, "is not empty" in again.stderr) == (2, True)
    assert saved.returncode == 1, saved.stderr
    assert f"wrote {tmp_path / 'ev'}" in saved.stderr.splitlines()
    verdicts = json.loads(saved.stdout)
    assert [nic["cause"] for nic in verdicts["nics"]] == ["host-disabled-checksum", "driver-declined"]
    assert elsewhere("check", "--from", str(tmp_path / "ev"), "--json") == (1, verdicts)
    index = json.loads((tmp_path / "ev" / "index.json").read_text())
    assert {"ethtool", "ip", "kernel"} <= index["tools"]["local"].keys()
    assert sum(name.startswith("QEMU of ") for name in index["tools"]["local"]) == 2
    if connected is not None:
        assert elsewhere("check", "--from", str(tmp_path / "ev2"), "--json") == (1, connected)
    status, found = elsewhere(
        "check", "--from", "-", "--json", stdin=f"root@hv:~# ethtool -k {tap}\r\n{pasted}"
    )
    assert status == 4
    assert (found["nics"][0]["tap"], found["nics"][0]["verdict"]) == (tap, "unknown")
    assert "tx off" in found["nics"][0]["notes"][0]


def _connected(there: Lab, tmp_path: Path) -> Any:
    """The same domains as anyone's, watched for a second."""
    done = there.rscvm(
        "check", "--connect", "qemu:///system", "--observe", "1", "--save", str(tmp_path / "ev2"), "--json"
    )
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)
