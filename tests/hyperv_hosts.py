"""Hosts by what they tell of Hyper-V, captured and composed, and a Windows on each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lxml import etree

from provision.facts.accelerators import Accelerators, Failed
from provision.facts.hyperv import EXPANSION, MODULE_FILES
from provision.host.plan.resolved import resolved_view
from provision.host.read.capabilities import emulators_of
from provision.host.read.enlightenments import EnlightenmentQuestions
from provision.host.state import HostState
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.render.view import MachineView
from provision.runtime.command import Result, Run
from provision.runtime.errors import HostError
from provision.runtime.questions import Answers
from provision.tables.enlightenments import ENLIGHTENMENTS
from tests.builders import FIXTURES, FakeEdges, FakeLibvirt, lab_of
from tests.hosts import EMPTY, capable

EVERY_KVM = frozenset(
    {"time", "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "stimer_direct"}
    | {"frequencies", "tlbflush", "ipi"}
)
NESTED_INTEL = frozenset({"evmcs", "emsr_bitmap", "tlbflush_direct"})
NEWER = frozenset({"tlbflush_extended", "avic", "xmm_input"})
INTEL = {"kvm_intel/parameters/nested": "Y", "kvm_intel/parameters/enable_apicv": "Y"}
AMD = {"kvm_amd/parameters/nested": "1", "kvm_amd/parameters/avic": "Y"}
TSC = 2_993_187_000

WINDOWS = """\
version: 1
hosts: {local: {bridges: {br-lab: {}}}}
machines:
  vm:
    backend: BACKEND
    guest: GUEST
    nested: NESTED
    vcpus: THREADS
    cpu: {threads: THREADS}
    memory: 256MiB
    accel: kvm
    nics: [{bridge: br-lab, ifname: tap0}]
"""


def windows(backend: str, *, nested: bool = False, guest: str = "windows", threads: int = 1) -> Lab:
    words = {"BACKEND": backend, "NESTED": str(nested).lower(), "GUEST": guest, "THREADS": str(threads)}
    text = WINDOWS
    for old, new in words.items():
        text = text.replace(old, new)
    return lab_of(text)


@dataclass(frozen=True)
class HypervHost:
    """What is said there: by libvirt of domains, by QEMU, and by the parameters of KVM's module."""

    domcaps: str = ""
    """A file in fixtures/domcaps; without, libvirt has no KVM."""
    expansion: str = ""
    """A file in fixtures; without, QEMU cannot open /dev/kvm."""
    module: Mapping[str, str] = field(default_factory=dict)
    tsc: int | None = None


HOSTS = {
    "nothing": HypervHost(),
    "tcg": HypervHost("libvirt-9.0.0-qemu-7.2.22-tcg-q35.xml", "qemu-7.2.22/cpu-expansion-tcg.json"),
    "kvm without hyperv": HypervHost(
        "libvirt-9.0.0-qemu-7.2.22-kvm-without-hyperv-q35.xml",
        "qemu-7.2.22/cpu-expansion-kvm-without-hyperv.json",
        INTEL,
    ),
    "old qemu": HypervHost(
        "composed/libvirt-9.0-old-qemu.xml", "qemu-7.2.22/cpu-expansion-kvm-without-hyperv.json", INTEL
    ),
} | {
    f"{version} {vendor}": HypervHost(
        f"composed/libvirt-{version}-kvm-{vendor}{'-nested' if vendor == 'intel' else ''}.xml",
        f"composed/cpu-expansion-kvm-{vendor}.json",
        module,
    )
    for version in ("9.0", "11.3", "11.9")
    for vendor, module in (("intel", INTEL), ("amd", AMD))
}


@dataclass
class _Libvirt(FakeLibvirt):
    there: HypervHost = field(default_factory=HypervHost)

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        if not self.there.domcaps:
            raise HostError(f"no {kind} for {machine}")
        tsc = self.there.tsc
        counter = f"<counter name='tsc' frequency='{tsc}' scaling='yes'/>" if tsc else ""
        host = f"<capabilities><host><cpu><arch>x86_64</arch>{counter}</cpu></host></capabilities>"
        return (FIXTURES / "domcaps" / self.there.domcaps).read_text(), host


def monitor_text(expansion: str) -> str:
    """What QEMU prints on such a monitor, its answer out of a file."""
    answer = json.loads((FIXTURES / expansion).read_text())
    said: tuple[dict[str, object], ...] = (
        {"QMP": {"version": {}}},
        {"return": {}},
        {"return": answer, "id": EXPANSION},
        {"event": "SHUTDOWN"},
    )
    return "".join(json.dumps(line) + "\r\n" for line in said)


def _answer(there: HypervHost, run: Run) -> Result:
    if run.argv[0] == "grep":
        lines = (
            f"{path}:{there.module[key]}"
            for path in MODULE_FILES
            for key in there.module
            if path.endswith(key)
        )
        return Result("local", run.argv, 2, "\n".join(lines), "")
    if not there.expansion:
        return Result("local", run.argv, 1, "", "qemu: Could not access KVM kernel module: No such file\n")
    return Result("local", run.argv, 0, monitor_text(there.expansion), "")


def state_of(there: HypervHost, lab: Lab, names: Sequence[str] = ("vm",)) -> HostState:
    """The host as it is read for the lab's machines, its KVM of use."""
    edges = FakeEdges(daemon=_Libvirt(there=there))
    asked = EnlightenmentQuestions(edges, lab, "local", emulators_of(edges, lab, "local", names))
    answers = Answers({question: _answer(there, question.run) for question in asked.questions})
    return capable(
        EMPTY,
        accelerators=Accelerators(tcg=500, kvm=100),
        hyperv=asked.named(answers),
        module=asked.module(answers),
    )


def view_on(there: HypervHost, lab: Lab) -> MachineView:
    """The machine as it would be made there."""
    return resolved_view(lab, "vm", state_of(there, lab))


def without_kvm(state: HostState) -> HostState:
    return capable(state, accelerators=Accelerators(tcg=500, kvm=Failed("none")))


def with_parameter(there: HypervHost, name: str, value: str) -> HypervHost:
    """The host with its module loaded otherwise."""
    module = {key: value if key.endswith(name) else was for key, was in there.module.items()}
    return replace(there, module=module)


def said_by_xml(view: MachineView) -> list[str]:
    """The rows that a domain's XML switches on."""
    root = etree.fromstring(domain_xml(view).encode())
    timers = {row.timer: row.name for row in ENLIGHTENMENTS if row.timer}
    clock = [
        timers[str(each.get("name"))] for each in root.iterfind("clock/timer") if each.get("name") in timers
    ]
    places = {(row.within, row.tag): row.name for row in ENLIGHTENMENTS if row.tag}
    outers = [*root.iterfind("features/hyperv"), *root.iterfind("features/hyperv/*")]
    hyperv = [
        places["" if outer.tag == "hyperv" else str(outer.tag), str(element.tag)]
        for outer in outers
        for element in outer.iterchildren("*")
        if element.get("state") == "on"
    ]
    return sorted(clock + hyperv)
