"""`doctor` on a recorded host: what is a miss, what only worth knowing, and what of a late probe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.lab.spec import Lab
from provision.runtime.command import QEMU
from provision.runtime.errors import HostError
from provision.verbs.doctor import HostFinding, examine
from tests.recorded_answers import LAB, PATHS, changed_lab, recorded, rows
from tests.recorded_host import RecordedEdges, RecordedLibvirt, brought_up

PROBE = json.dumps(["probe", QEMU])
VERSION = json.dumps([QEMU, "--version"])
DEVICE = json.dumps([QEMU, "-device", "virtio-net-pci,help"])
TCG_LAB = changed_lab(("memory: 256MiB", "memory: 256MiB\n    accel: tcg"))
ALL = ("vm", "dom")


def found(
    edges: RecordedEdges, lab: Lab | None = None, names: tuple[str, ...] = ()
) -> dict[str, HostFinding]:
    """The findings by their names; of several of one name the first that is no good one."""
    findings = examine(edges, lab, "local", names)
    return {each.name: each for each in sorted(findings, key=lambda finding: finding.state != "good")}


def lacking(edges: RecordedEdges, lab: Lab | None = None, names: tuple[str, ...] = ()) -> list[str]:
    return [each.name for each in examine(edges, lab, "local", names) if each.state == "miss"]


def probed(text: str) -> RecordedEdges:
    """The host, with another answer to the probe of accelerators."""
    edges = RecordedEdges()
    edges.runner.answers[PROBE] = [0, text, ""]
    return edges


def answering(asked: str, *answer: Any) -> RecordedEdges:
    edges = RecordedEdges()
    assert asked in edges.runner.answers
    edges.runner.answers[asked] = answer
    return edges


class Gone(RecordedEdges):
    """Its libvirt does not answer."""

    def libvirt(self, host: str) -> Any:  # noqa: ARG002
        words, hint = recorded("libvirt-gone.txt").splitlines()
        raise HostError(words, hint=hint)


def test_of_a_host_without_kvm_and_vhost_these_are_the_misses_each_with_its_fix() -> None:
    findings = found(RecordedEdges())

    assert [name for name, each in findings.items() if each.state == "miss"] == ["vhost-net", "kvm"]
    assert findings["kvm"].seen == f"{QEMU}: failed to initialize kvm: No such file or directory"
    assert findings["kvm"].fix.startswith("switch virtualization on in the firmware")
    assert findings["vhost-net"].fix == "modprobe vhost_net, as root"
    assert findings["virtio-net-pci"].state == "note", "what only newer QEMUs have"
    good = {"tap", "ip", "ethtool", "qemu-img", "flock", "ethtool --json", "qemu", "tcg", "libvirt"}
    assert {name for name, each in findings.items() if each.state == "good"} == good


def test_a_kvm_that_none_of_the_machines_needs_is_no_miss() -> None:
    assert lacking(RecordedEdges(), LAB, ALL) == ["vhost-net", "kvm"]
    assert lacking(RecordedEdges(), TCG_LAB, ALL) == []
    findings = found(RecordedEdges(), TCG_LAB, ALL)
    assert (findings["kvm"].state, findings["vhost-net"].state) == ("note", "note")


def test_a_kvm_that_was_late_opens_and_is_not_said_to_be_switched_off() -> None:
    kvm = found(probed(recorded("probe-kvm-late.txt")))["kvm"]

    assert kvm.seen == "opens, and did not run 100 million instructions within 4 s (TCG: 769 ms)"
    assert kvm.fix == "nested without hardware help? `accel: auto` takes TCG here"
    assert found(probed(recorded("probe-kvm-late.txt")), TCG_LAB, ALL)["kvm"].state == "note"


@pytest.mark.parametrize(("took", "state"), [(768, "good"), (769, "good"), (770, "miss")])
def test_a_kvm_is_of_use_unless_it_is_slower_than_tcg(took: int, state: str) -> None:
    tcg = recorded("probe-kvm-late.txt").splitlines()[0]

    kvm = found(probed(f"{tcg}\nkvm {took}\n"))["kvm"]

    assert kvm.state == state
    assert (f"slower than TCG: {took} ms against 769 ms" in kvm.seen) is (state == "miss")


def test_a_host_that_had_no_time_for_the_probe_is_not_told_to_reinstall_qemu() -> None:
    findings = found(probed(recorded("probe-both-late.txt")))

    assert findings["tcg"].seen == "it did not run 100 million instructions within 20 s"
    assert findings["tcg"].fix.startswith("see what else keeps this host busy")
    assert findings["kvm"].seen == "opens, and did not run 100 million instructions within 20 s"


def test_a_qemu_that_cannot_run_the_boot_sector_is_to_be_reinstalled() -> None:
    failed = recorded("answers.json")[PROBE][1].splitlines()[1].removeprefix("kvm ")

    tcg = found(probed(f"tcg {failed}\nkvm {failed}\n"))["tcg"]

    assert tcg.state == "miss"
    assert tcg.fix == f"reinstall QEMU: {QEMU} cannot run a boot sector"


def test_what_every_machine_needs_stays_a_miss_where_none_needs_kvm() -> None:
    failed = recorded("answers.json")[PROBE][1].splitlines()[1].removeprefix("kvm ")
    edges = probed(f"tcg {failed}\nkvm {failed}\n")
    edges.runner.answers['["tun", "/dev/net/tun"]'] = [1, "CapEff:\t000001fffeffffff\n", "not there\n"]

    assert {"tap", "tcg"} <= {*lacking(edges, TCG_LAB, ALL)}
    assert not {"kvm", "vhost-net"} & {*lacking(edges, TCG_LAB, ALL)}


def test_accelerators_that_could_not_be_measured_are_one_miss_and_the_rest_is_told() -> None:
    edges = answering(PROBE, 1, "", recorded("probe-no-place.txt"))

    findings = found(edges)

    assert findings["accelerators"].state == "miss"
    assert "they could not be measured" in findings["accelerators"].seen
    assert "mktemp: failed to create directory" in findings["accelerators"].seen
    assert not findings.keys() & {"tcg", "kvm"}
    assert findings["libvirt"].seen == "9.0.0"


def test_the_accelerators_are_measured_anew_whatever_was_kept() -> None:
    edges = brought_up()

    examine(edges, LAB, "local", ALL)

    assert [words[0] for words in edges.runner.said if words[0] in ("probe", "keep")] == ["probe", "keep"]


@pytest.mark.parametrize(
    ("lab", "names", "state"), [(None, (), "miss"), (LAB, ("vm", "dom"), "miss"), (LAB, ("vm",), "note")]
)
def test_a_libvirt_that_does_not_answer_is_a_miss_where_a_machine_is_its(
    lab: Lab | None, names: tuple[str, ...], state: str
) -> None:
    libvirt = found(Gone(), lab, names)["libvirt"]

    words, hint = recorded("libvirt-gone.txt").splitlines()
    assert (libvirt.state, libvirt.seen, libvirt.fix) == (state, words, hint)


def test_of_a_lab_whose_libvirt_does_not_answer_all_else_is_held_against_the_host() -> None:
    edges = Gone()
    del edges.runner.files["/srv/vmlinuz"]
    edges.runner.links["tap1"] = {**rows("links-up.json")["tap1"], "ifalias": ""}

    findings = examine(edges, LAB, "local", ALL)

    assert [each.seen for each in findings if each.name == "lab"] == [
        f"{name}: no kernel at /srv/vmlinuz" for name in ALL
    ], "and the TAP may be the domain's"


@pytest.mark.parametrize(("version", "state"), [("8.1.0", "miss"), ("8.2.0", "good"), ("10.0.0", "good")])
def test_a_libvirt_is_old_that_has_no_override(version: str, state: str) -> None:
    class Versioned(RecordedLibvirt):
        def version(self) -> str:
            return version

    edges = RecordedEdges()
    edges.daemon = Versioned(there=edges.runner)

    assert found(edges)["libvirt"].state == state


@pytest.mark.parametrize(("version", "state"), [("7.1.0", "miss"), ("7.2.22", "good"), ("10.0.13", "good")])
def test_a_qemu_is_old_that_has_no_status_command(version: str, state: str) -> None:
    told = recorded("answers.json")[VERSION][1].replace("7.2.22", version)

    assert found(answering(VERSION, 0, told, ""))["qemu"].state == state


def test_a_qemu_that_is_not_there_is_a_miss_and_is_not_measured() -> None:
    edges = answering(VERSION, 127, "", "")

    findings = found(edges)

    assert (findings["qemu"].state, findings["qemu"].fix) == ("miss", "apt install qemu-system-x86")
    assert not any(words[0] == "probe" for words in edges.runner.said)
    assert findings["libvirt"].state == "good"


def test_a_qemu_that_does_not_even_tell_its_version_is_a_miss_and_the_rest_is_told() -> None:
    edges = answering(VERSION, 1, "", "no such luck")

    findings = found(edges)

    assert findings["qemu"].state == "miss"
    assert "no such luck" in findings["qemu"].seen
    assert findings["qemu"].fix == "apt install --reinstall qemu-system-x86"
    assert findings["libvirt"].state == "good"


def test_an_offload_that_qemu_lacks_and_rsc_needs_is_a_miss() -> None:
    told = recorded("answers.json")[DEVICE][1].replace("  guest_tso4=", "  another=")

    findings = examine(answering(DEVICE, 0, told, ""), None, "local", ())

    assert ("virtio-net-pci", "miss", "lacks guest_tso4") in {(f.name, f.state, f.seen) for f in findings}


def test_programs_that_are_missing_are_told_with_their_packages_and_ethtool_is_not_asked() -> None:
    asked = next(key for key in recorded("answers.json") if key.startswith('["found"'))
    edges = answering(asked, 0, "ip\nqemu-img\nqemu-system-x86_64\n", "")

    findings = found(edges)

    assert (findings["flock"].state, findings["flock"].fix) == ("miss", "apt install util-linux")
    assert (findings["ethtool"].state, findings["ethtool"].fix) == ("miss", "apt install ethtool")
    assert "ethtool --json" not in findings
    assert not any(words[:2] == ("ethtool", "--json") for words in edges.runner.said)


def test_an_ethtool_that_does_not_answer_for_every_device_is_a_miss() -> None:
    json_of_all = found(RecordedEdges(fails_at="*"))["ethtool --json"]

    assert json_of_all.state == "miss"
    assert "no such luck" in json_of_all.seen


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ((0, "CapEff:\t0000000000000000\n", ""), "needs root (CAP_NET_ADMIN)"),
        ((1, "CapEff:\t000001fffeffffff\n", "/dev/net/tun: not there\n"), "/dev/net/tun cannot be opened"),
    ],
)
def test_a_host_where_no_tap_can_be_made_is_a_miss(answer: tuple[int, str, str], seen: str) -> None:
    tap = found(answering('["tun", "/dev/net/tun"]', *answer))["tap"]

    assert tap.state == "miss"
    assert seen in tap.seen


def test_a_bridge_that_up_would_make_is_only_worth_knowing() -> None:
    assert found(RecordedEdges(), LAB, ALL)["bridge br-lab"].state == "note"
    assert found(brought_up(), LAB, ALL)["bridge br-lab"].state == "good"


def test_everything_that_up_would_be_refused_for_is_a_miss_of_the_lab() -> None:
    edges = RecordedEdges()
    del edges.runner.files["/srv/vmlinuz"]

    misses = [each.seen for each in examine(edges, LAB, "local", ALL) if each.name == "lab"]

    assert misses == ["vm: no kernel at /srv/vmlinuz", "dom: no kernel at /srv/vmlinuz"]


def test_a_lab_that_cannot_be_held_against_the_host_is_a_miss_in_its_words_and_no_error() -> None:
    class Bare(RecordedLibvirt):
        def emulator(self, kind: str, machine: str) -> str:  # noqa: ARG002
            raise HostError(f"no emulator for {kind}")

    edges = brought_up()
    edges.daemon = Bare(there=edges.runner, found=edges.daemon.found)

    assert found(edges, LAB, ALL)["lab"].seen == "no emulator for qemu"


def test_it_changes_nothing_but_what_is_kept_of_the_probe() -> None:
    edges = brought_up()

    examine(edges, LAB, "local", ALL)

    assert [words[:2] for words in edges.runner.did] == [("keep", PATHS.accelerators)]
    assert edges.daemon.said == []
