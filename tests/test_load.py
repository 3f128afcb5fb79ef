"""What the loader makes of a lab file: the values, or every fault with its place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from provision.lab import ask, spec
from provision.lab.derived import derived_ifname, derived_mac
from provision.lab.load import parse_lab
from provision.lab.yaml_reader import read_yaml
from provision.runtime.errors import LabFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = (Path(__file__).parent / "fixtures" / "full-lab.yaml").read_text(encoding="utf-8")
BASE = "version: 1\nmachines:\n  m:\n    guest: linux\n    memory: 1GiB\n"  # what is added begins at 6:5


def load(text: str, **environment: str) -> spec.Lab:
    return parse_lab(text, "lab.yaml", "/srv/lab", environment)


def machine(keys: str = "", **environment: str) -> spec.Machine:
    return load(f"{BASE}    {keys}\n", **environment).machines["m"]


def faults(text: str, **environment: str) -> list[str]:
    with pytest.raises(LabFileError) as caught:
        load(text, **environment)
    return str(caught.value).removeprefix("lab.yaml:").split("\nlab.yaml:")


def keys_of(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from keys_of(value)


def test_the_full_example_is_read() -> None:
    lab = load(FULL, INITRD="initrd.gz")
    assert " ".join(lab.machines) == "win2022 engine direct rsc-controller rsc-dut rsc-support"
    win, engine = lab.machines["win2022"], lab.machines["engine"]
    assert (win.memory, win.vcpus, win.boots_with, win.disks[0].bus) == (8 * 2**30, 4, "uefi", "virtio")
    assert (win.nics[0].rx_queue_size, dict(win.nics[0].offloads)) == (1024, {"guest_tso6": False})
    assert [type(ask).__name__ for ask in win.ask] == ["str", "AskBySsh", "AskByWinrm"]
    assert lab.host("hv1").nics["eno1"].coalesce == {"adaptive-rx": False, "rx-usecs": 3}
    assert (engine.nics[0].kind, engine.nics[0].profile, engine.nics[0].vhost) == ("tap", "hck", "false")


def test_the_full_example_uses_every_key() -> None:
    models = [m for m in vars(spec).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    known = {key for model in models for key in model.model_fields if model is not spec.Lab}
    assert not known - set(keys_of(read_yaml(FULL, {"INITRD": "x"})[0]))


def test_what_is_left_out_has_the_documented_default() -> None:
    lab = load(BASE + "    nics: [{bridge: br0}]\n")
    read = lab.machines["m"]
    assert lab.state_dir == "/var/lib/rscvm"
    assert (read.host, read.backend, read.purpose, read.vcpus) == ("local", "libvirt", "production", 2)
    assert (read.accel, read.machine, read.boots_with, read.tpm) == ("auto", "q35", "uefi", False)
    nic = read.nics[0]
    assert (nic.name, nic.model, nic.profile, nic.vhost, nic.queues) == ("net0", "virtio", "true", "auto", 1)
    assert (nic.interval, nic.rx_queue_size, nic.mtu) == (1_000_000, None, None)
    assert (lab.host("local").libvirt, lab.host("local").sudo) == ("qemu:///system", False)
    assert machine("kernel: {image: k}").boots_with == "bios"
    assert machine("disks: [{image: d}]").disks[0].overlay is True


def test_derived_names_are_the_same_in_every_version() -> None:
    nic = machine("nics: [{bridge: br0}]").nics[0]
    assert (nic.name, nic.mac, nic.ifname) == ("net0", "52:0b:72:35:8e:db", "e261c07f-m")


def test_derived_names_do_not_depend_on_the_neighbours() -> None:
    text = f"{BASE}    nics: [{{tap: true}}, {{tap: true, name: x}}, {{user: true, rsc: off}}]\n"
    alone = machine("nics: [{tap: true}]")
    among = load(text + "  another: {guest: linux, memory: 1GiB, nics: [{tap: true}]}\n").machines["m"]
    assert among.nics[0] == alone.nics[0]
    assert [nic.name for nic in among.nics] == ["net0", "x", "net2"]
    assert [bool(nic.ifname) for nic in among.nics] == [True, True, False]


@pytest.mark.parametrize("name", ["m", "vnet0", "vif1", "macvtap", "macvlan7", "x" * 63, "a.b_c-d"])
def test_derived_tap_names_and_macs_can_be_used(name: str) -> None:
    ifname, mac = derived_ifname("lab", name, "net0"), derived_mac("lab", name, "net0")
    assert len(ifname.encode()) <= 15
    assert not ifname.startswith(("vnet", "vif", "macvtap", "macvlan"))
    assert int(mac[:2], 16) & 3 == 2  # locally administered, unicast
    given = machine(f"nics: [{{tap: true, ifname: {ifname}, mac: '{mac}'}}]").nics[0]
    assert (given.ifname, given.mac) == (ifname, mac)


def test_derived_names_are_distinct_over_two_thousand_machines() -> None:
    rows = "".join(f"  m{i}: {{guest: linux, memory: 1GiB, nics: [{{tap: on}}]}}\n" for i in range(2000))
    nics = [machine.nics[0] for machine in load(f"version: 1\nmachines:\n{rows}").machines.values()]
    assert len({nic.mac for nic in nics}) == len({nic.ifname for nic in nics}) == 2000


def test_variables_are_taken_from_the_environment() -> None:
    assert machine("cdroms: ['/${A}/x${B}.iso']", A="a", B="b").cdroms == ("/a/xb.iso",)
    assert machine("tpm: ${T}", T="on").tpm is True


def test_what_a_variable_holds_is_not_substituted_or_parsed_again() -> None:
    assert machine("cdroms: ['/${A}']", A="${B}: [x]", B="b").cdroms == ("/${B}: [x]",)
    assert machine("cdroms: [/$A$]", A="b").cdroms == ("/$A$",)


def test_an_unset_variable_is_the_only_fault_of_its_value() -> None:
    unset = "6:14: machines.m.machine: ${X} is not set in the environment"
    assert faults(BASE + "    machine: ${X}\n") == [unset]


def test_a_password_is_only_named_and_need_not_be_set_to_read_the_file() -> None:
    way = machine("ask: [{winrm: {address: a, user: u, password_env: NOT_SET}}]").ask[0]
    assert isinstance(way, ask.AskByWinrm)
    assert way.winrm.password_env == "NOT_SET"  # noqa: S105


@pytest.mark.parametrize("word", ["true", "on", "'on'", "false", "off"])
def test_booleans_are_written_either_way(word: str) -> None:
    value = word in {"true", "on", "'on'"}
    read = machine(f"nics: [{{tap: on, vhost: {word}, rsc: {word}, offloads: {{csum: {word}}}}}]").nics[0]
    assert (read.vhost, read.rsc, read.offloads["csum"]) == (str(value).lower(), str(value).lower(), value)


def test_local_paths_start_at_the_lab_file() -> None:
    lab = load(
        "version: 1\nstate_dir: state\n"
        "machines: {m: {guest: linux, memory: 1GiB, disks: [{image: a}], cdroms: [../b, /c],"
        " kernel: {image: ./k, initrd: i}, firmware: {code: c, vars: v}}}\n"
    )
    read = lab.machines["m"]
    assert (lab.state_dir, read.disks[0].image) == ("/srv/lab/state", "/srv/lab/a")
    assert read.cdroms == ("/srv/b", "/c")
    assert read.kernel == spec.Kernel(image="/srv/lab/k", initrd="/srv/lab/i")
    assert read.firmware == spec.FirmwareFiles(code="/srv/lab/c", vars="/srv/lab/v")


def test_local_paths_of_a_test_lab_start_at_the_lab_file() -> None:
    role = "{topology: dut-only, dut: {guest: linux, memory: 1GiB, cdroms: [x]}}"
    dut = load(f"version: 1\nlabs: {{r: {role}}}\n").labs["r"].dut
    assert dut is not None
    assert dut.cdroms == ("/srv/lab/x",)


def test_an_identity_starts_at_the_lab_file_or_at_home() -> None:
    lab = load("version: 1\nhosts: {h: {address: h, identity: id, known_hosts: ~/k}}\n", HOME="/home/u")
    assert lab.host("h").identity == "/srv/lab/id"
    assert lab.host("h").known_hosts == "/home/u/k"


def test_paths_on_another_host_are_left_alone() -> None:
    elsewhere = BASE + "    host: h\n    cdroms: [/a/../b]\nhosts: {h: {address: h}}\n"
    assert load(elsewhere).machines["m"].cdroms == ("/a/../b",)


def test_merge_keys_are_overlaid_and_anchors_repeat() -> None:
    lab = load(
        "version: 1\nmachines:\n"
        "  a: &a {guest: linux, memory: 1GiB, vcpus: 3}\n"
        "  b: &b {guest: windows, memory: 2GiB, accel: tcg}\n"
        "  c: {<<: [*a, *b], memory: 4GiB}\n  d: *a\n"
    )
    c = lab.machines["c"]
    assert (c.guest, c.vcpus, c.accel, c.memory) == ("linux", 3, "tcg", 4 * 2**30)
    assert lab.machines["d"] == lab.machines["a"]


@pytest.mark.parametrize("text", ["2020-01-01", "2020-01-01 10:00:00", "1:30", ".nan", "yes", "="])
def test_text_that_other_yaml_takes_for_more_stays_text(text: str) -> None:
    assert load(f"version: 1\nstate_dir: {text}\n").state_dir == f"/srv/lab/{text}"


# What follows BASE, and how each fault of it begins.
N = "  n: {guest: linux, memory: 1GiB"
FAULTS = {
    "unknown key": ("    memmory: 1\n", "6:5: machines.m.memmory: is no key here; did you mean `memory`?"),
    "missing": ("  n:\n    guest: linux\n", "6:3: machines.n.memory: is required"),
    "missing item": ("    disks: [{bus: sata}]\n", "6:13: machines.m.disks[0]: needs exactly one of image"),
    "missing role": ("labs:\n  r:\n    topology: dut-only\n", "7:3: labs.r.dut: is required by dut-only"),
    "missing address": ("hosts:\n  h:\n    sudo: on\n", "7:3: hosts.h.address: is required"),
    "over merged": (
        "    kernel: &k {image: k}\n  n:\n    <<: {guest: linux, memory: 1GiB, kernel: *k}\n    kernel: {}\n",
        "9:5: machines.n.kernel.image: is required",
    ),
    "key files": (
        "    firmware: {files: x, vars: v}\n",
        "6:5: machines.m.firmware.code: is required | 6:16: machines.m.firmware.files: is no key here",
    ),
    "value": ("    vcpus:    0\n", "6:15: machines.m.vcpus: must be at least 1, not 0"),
    "item": ("    cdroms:\n    - /a\n    -   7\n", "8:9: machines.m.cdroms[1]: must be text, not 7"),
    "tagged": ("    ask: [{ssh: {address: a, user: 5}}]\n", "6:36: machines.m.ask[0].ssh.user: must be text"),
    "wide": ('    kernel: {image: "\u65e5\U0001f600", cmdline: 3}\n', "6:36: machines.m.kernel.cmdline"),
    "carriage returns": ("    tpm: off\r\n    vcpus: 0\r\n", "7:12: machines.m.vcpus: must be at least 1"),
    "alias": (f"    vcpus: &v 0\n{N}, vcpus: *v}}\n", "6:12: machines.m.vcpus | 6:12: machines.n.vcpus"),
    "merged": ("  a: &a {guest: bsd, memory: 1GiB}\n  b: {<<: *a, guest: linux}\n", "6:17: machines.a.guest"),
    "merge of text": ("    <<: 3\n", "6:9: machines.m: `<<` takes a mapping, or a list of them"),
    "key that is a list": ("    ? [a]\n    : 1\n", "6:7: machines.m: a key must be text"),
    "twice": ("    guest: linux\n", "6:5: machines.m.guest: is there twice; the first is in line 4"),
    "twice in flow": (f"{N}, memory: 1GiB}}\n", "6:35: machines.n.memory: is there twice"),
    "merge twice": ("  a: {<<: &a {guest: linux, memory: 1GiB}, <<: *a}\n", "6:44: machines.a.<<: is there"),
    "undefined alias": ("    vcpus: *x\n", "6:12: is not YAML: found undefined alias 'x'"),
    "tab": ("\tvcpus: 1\n", "6:1: is not YAML: found character '\\t' that cannot start any token"),
    "float": ("    vcpus: 2.5\n", "6:12: machines.m.vcpus: must be a whole number, not 2.5"),
    "underscore": ("    vcpus: 1__\n", "6:12: machines.m.vcpus: must be a whole number, not '1__'"),
    "huge": (f"    vcpus: {'9' * 39}\n", "6:12: machines.m.vcpus: must be at most 255, not 999"),
    "null": ("    machine: ~\n", "6:14: machines.m.machine: must be text, not null"),
    "number": ("    machine: 3.5\n", "6:14: machines.m.machine: must be text, not 3.5"),
}


@pytest.mark.parametrize(("added", "expected"), FAULTS.values(), ids=FAULTS)
def test_every_fault_has_its_line_column_and_path(added: str, expected: str) -> None:
    starts = expected.split(" | ")
    found = faults(BASE + added)
    assert [fault[: len(start)] for fault, start in zip(found, starts, strict=False)] == starts
    assert len(found) == len(starts)


def test_all_faults_come_at_once_as_compilers_print_them() -> None:
    with pytest.raises(LabFileError) as caught:
        load(f"{BASE}    vcpus: 0\n    gust: 1\n    machine: pc\n    backend: qemu\n  n: {{guest: bsd}}\n")
    assert str(caught.value).splitlines() == [
        "lab.yaml:6:12: machines.m.vcpus: must be at least 1, not 0",
        "lab.yaml:7:5: machines.m.gust: is no key here; did you mean `guest`?",
        "lab.yaml:8:14: machines.m.machine: must be a q35 for backend qemu, not pc",
        "lab.yaml:10:3: machines.n.memory: is required",
        "lab.yaml:10:14: machines.n.guest: must be windows or linux, not 'bsd'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: is empty; it begins with `version: 1`"),
        ("# nothing yet\n", "1:1: is empty; it begins with `version: 1`"),
        ("machines: {}\n", "1:1: version: is required"),
        ("version: true\n", "1:10: version: must be 1, not true"),
        ("- a\n", "1:1: must be a mapping, not ['a']"),
        ("version: 1\n---\nversion: 1\n", "1:1: must be one YAML document, a mapping"),
        ("version: [1", "1:12: is not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_what_is_no_lab_file_is_one_fault(text: str, expected: str) -> None:
    assert faults(text) == [expected]


def test_a_character_that_yaml_forbids_is_found_where_it_is() -> None:
    assert faults("version: 1\nmachines: \0\n")[0].startswith("2:11: is not YAML: ")


def test_a_value_left_empty_is_a_fault_of_its_own_line() -> None:
    assert faults("version: 1\nmachines: {}\nhosts:\n\nlabs: {}\n")[0].startswith("3:")


@pytest.mark.parametrize("keys", ["user: 3", "bridge: 3", "name: 3", "mac: x"])
def test_a_wrong_value_does_not_hide_what_is_wrong_between_others(keys: str) -> None:
    found = faults(f"{BASE}    nics: [{{{keys}}}]\n    backend: qemu\n    machine: pc\n")
    assert "8:14: machines.m.machine: must be a q35 for backend qemu, not pc" in found


def bomb(row: str) -> str:
    pairs = zip("abcdefghi", "bcdefghij", strict=True)
    rows = (row.format(c, c, f"*{p}," * 30) for p, c in pairs)
    return "version: 1\nmachines:\n  a: &a {x: 1}\n" + "".join(rows)


ENDLESS = {
    "alias bomb": bomb("  {}: &{} [{}]\n"),
    "merge bomb": bomb("  {}: &{}\n    <<: [{}]\n"),
    "flow sequences": f"version: {'[' * 1000}{']' * 1000}\n",
    "flow mappings": f"version: 1\nmachines: {'{a: ' * 60}1{'}' * 60}\n",
    "block mappings": "\n".join(f"{' ' * i}a:" for i in range(500)),
    "a mapping in itself": "version: 1\nmachines: &a {m: *a}\n",
    "a list in itself": "&a [*a]\n",
    "a merge of itself": "version: 1\nmachines: &a\n  <<: *a\n",
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_a_fault_soon(text: str) -> None:
    start = time.process_time()  # our own work, however busy the machine; unbounded it takes minutes
    found = faults(text)
    assert time.process_time() - start < 30
    assert any("nested" in fault or "<<" in fault for fault in found)
    assert all(len(fault) < 1000 for fault in found)


def test_what_was_not_read_for_its_size_is_not_said_to_be_wrong() -> None:
    after = faults(ENDLESS["alias bomb"] + "state_dir: /var\n")
    assert not [fault for fault in after if "state_dir: must" in fault]
