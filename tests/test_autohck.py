"""AutoHCK's files, put together as AutoHCK does it, come to the same test NIC as ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.cli import run
from provision.render.autohck import DEVICE, DEVICE_FILE, OVERRIDE_FILE, autohck_files
from provision.render.machine import qemu_argv
from provision.render.view import Choices, machine_view
from provision.runtime.errors import RequestError
from tests.builders import lab_of
from tests.labs import HLK, hlk
from tests.options import read_options

if TYPE_CHECKING:
    from collections.abc import Callable

DUT = "rsc-dut"
HLK_FILE = HLK.replace("BACKEND", "")
OWN = {"netdev", "mac", "bus", "id"}
CHOICES = Choices(kvm=True, vhost=True)


def files(lab: Any = None) -> dict[str, Any]:
    return {path: json.loads(text) for path, text in autohck_files(lab or hlk(), DUT).items()}


def replaced(text: str, words: dict[str, str]) -> str:
    """As lib/auxiliary/replacement_map.rb does it: each key once, in order."""
    for key, value in words.items():
        text = text.replace(key, value)
    return text


def started_by_autohck(client: int, device: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Netdev and device of a client (network_manager.rb, create_tap_device_command)."""
    words = {"@run_id@": "0001", "@client_id@": f"{client:02}", "@workspace@": "/w", "@vhost_value@": "on"}
    words |= {"@net_if_name@": "ts_r1_c1", "@net_up_script@": "/w/up.sh", "@net_if_mac@": "56:00:01:01:01:bb",
              "@net_addr@": "", "@bus_name@": "root1"}  # fmt: skip
    words |= device["define_variables"]
    options = ",vhost=@vhost_value@,script=@net_up_script@,downscript=no,ifname=@net_if_name@"
    for key, value in {"@network_backend@": "tap", "@netdev_options@": options}.items():
        words[key] = replaced(value, words)
    line = replaced(" ".join(device["command_line"]), words)
    _, netdev, _, described = line.split(" ")
    assert "@" not in line
    return read_options(netdev, "type"), read_options(described, "driver")


def ours(name: str) -> dict[str, str]:
    argv = qemu_argv(machine_view(hlk("qemu"), name, CHOICES))
    words = next(word for word in argv if word.startswith("virtio-net-pci"))
    return {key: value for key, value in read_options(words, "driver").items() if key not in OWN}


def test_its_dut_gets_our_duts_test_nic_and_its_support_machine_that_of_ours() -> None:
    device = files()[DEVICE_FILE]

    for client, name in ((1, "rsc-dut"), (2, "rsc-support")):
        netdev, described = started_by_autohck(client, device)
        assert netdev["vhost"] == "off"
        assert netdev["id"] == described["netdev"]
        assert described["bus"] == "root1.0"
        assert {key: value for key, value in described.items() if key not in OWN} == ours(name)


def test_without_a_support_machine_its_second_client_has_the_same_without_flags() -> None:
    lab = lab_of("version: 1\nlabs: {rsc: {topology: dut-only, dut: {guest: windows, memory: 1GiB}}}\n")
    device = json.loads(autohck_files(lab, DUT)[DEVICE_FILE])

    _, described = started_by_autohck(2, device)
    assert not {"guest_rsc_ext", "rsc_interval"} & set(described)
    assert (described["guest_tso4"], described["csum"]) == ("on", "on")


def test_the_device_has_the_fields_that_autohck_knows() -> None:
    """lib/models/qemuhck_device.rb."""
    known = {"name", "type", "command_line", "define_variables", "config_commands", "pre_start_commands",
             "post_stop_commands", "machine_options", "need_pci_bus", "pluggable_memory_gb", "iommu_device_param"}  # fmt: skip
    device = files()[DEVICE_FILE]

    assert set(device) <= known
    assert (device["name"], Path(DEVICE_FILE).stem) == (DEVICE, DEVICE)
    assert all(isinstance(value, str) for value in device["define_variables"].values())


def test_the_override_chooses_the_device_and_says_its_version_and_what_lifts_the_rejection() -> None:
    override = files()[OVERRIDE_FILE]

    assert override["lib/engines/hcktest/drivers/NetKVM.json"] == {"device": DEVICE}
    assert override["lib/setupmanagers/qemuhck/qemu_machine.json"]["platforms_defaults"] == {
        "vhost_state": False
    }
    notes = " ".join(override["rscvm__comment"])
    for words in ("2c95d9c8d40a", "Run RSC Tests", "reject_test_names", "take that one line out", "tx off"):
        assert words in notes
    assert "{" not in notes


def test_the_files_stay_as_they_are(golden: Callable[[str, str], None]) -> None:
    for path, text in autohck_files(hlk(), DUT).items():
        golden(f"autohck/{Path(path).name}", text)


def test_a_machine_without_the_engine_has_nothing_to_export() -> None:
    with pytest.raises(RequestError, match="has no NIC with `rsc: hck`"):
        autohck_files(hlk(), "rsc-support")


def test_export_writes_new_files_and_overwrites_nobodys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, out = tmp_path / "lab.yaml", tmp_path / "out"
    lab.write_text(HLK_FILE)
    arguments = ["export", "autohck", str(lab), DUT]

    assert run([*arguments, "-o", str(out)]) == 0
    assert {str(path.relative_to(out)) for path in out.rglob("*.json")} == {DEVICE_FILE, OVERRIDE_FILE}
    assert run([*arguments, "-o", str(out)]) == 0
    (out / OVERRIDE_FILE).write_text("{}")
    (out / DEVICE_FILE).unlink()
    capsys.readouterr()
    assert run([*arguments, "-o", str(out)]) == 3
    assert "says something else" in capsys.readouterr().err
    assert not (out / DEVICE_FILE).exists()
    (out / OVERRIDE_FILE).unlink()
    assert run([*arguments, "-o", str(out), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["files"]) == {DEVICE_FILE, OVERRIDE_FILE}
    assert run(arguments) == 0
    assert set(json.loads(capsys.readouterr().out)["files"]) == {DEVICE_FILE, OVERRIDE_FILE}
