"""Reads what would run machines on a host: QEMUs, disk images, accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.facts.accelerators import (
    Accelerators,
    kept_accelerators,
    parse_accelerators,
    written_accelerators,
)
from provision.facts.qemu import Emulator, parse_device_help, parse_image_info, parse_version
from provision.host.read.enlightenments import EnlightenmentQuestions
from provision.host.read.inventory import BOOT
from provision.host.state import Capabilities
from provision.lab.paths import LabPaths
from provision.render.view import machine_view
from provision.runtime.command import NOT_FOUND, QEMU, Run, shell
from provision.runtime.questions import Question, ask
from provision.runtime.templates import shipped_text
from provision.runtime.underway import underway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.qemu import Image
    from provision.lab.spec import Lab
    from provision.runtime.command import Result
    from provision.runtime.protocols import ReadingEdges, Runner
    from provision.runtime.questions import Answers

_PATIENCE = 90
"""Seconds for the probe of accelerators, whose two runs end by themselves after 20 s and thrice that at most."""
_DEVICE_HELP = ("-device", "virtio-net-pci,help")
_KEEP = '(umask 066; mkdir -p -- "${1%/*}") && cat >"$1.$$" && mv -f -- "$1.$$" "$1"'

SCRIPTS = {"keep": _KEEP}
"""Every constant script above, for the linter."""


def emulators_of(edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str]) -> dict[str, str]:
    """The QEMU that would run each machine, by its path where libvirt chooses it.

    :raise HostError: when libvirt does not answer or has none.
    """
    asked: dict[tuple[str, str], str] = {}
    found: dict[str, str] = {}
    for name in names:
        machine = lab.machines[name]
        if machine.backend == "qemu":
            found[name] = QEMU
            continue
        # `auto` has the same program for both.
        kind = ("kvm" if machine.accel == "kvm" else "qemu", machine.machine)
        if kind not in asked:
            asked[kind] = edges.libvirt(host).emulator(*kind)
        found[name] = asked[kind]
    return found


def _images(lab: Lab, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """How qemu-img is asked about each image, by its path: it guesses only at what no guest writes to.

    A guest may have written another format's header into a raw disk; of that nothing is asked.
    """
    found: dict[str, tuple[str, ...]] = {}
    for disk in (disk for name in names for disk in machine_view(lab, name).disks):
        if disk.base:
            found |= {disk.base: (), disk.path: ()}
        elif disk.kind != "cdrom" and disk.format != "raw":
            found.setdefault(disk.path, ("-f", disk.format))
    return dict(sorted(found.items()))


def _image(answer: Result) -> Image | None:
    """None of what is no image, or not there: that is said with the other things that the host lacks."""
    return parse_image_info(answer.out) if answer.ok else None


class _QemuQuestions:
    """What is asked of one QEMU."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.version = Question(Run((program, "--version")), lambda answer: answer)
        self.device = Question(Run((program, *_DEVICE_HELP)), lambda answer: answer)

    @property
    def questions(self) -> list[Question[Any]]:
        return [self.version, self.device]

    def emulator(self, answers: Answers) -> Emulator:
        """The QEMU; without version where it is not there."""
        version = answers[self.version]
        if version.status == NOT_FOUND:
            return Emulator(self.program)
        properties = parse_device_help(answers[self.device].check().out)
        return Emulator(self.program, parse_version(version.check().out), properties)


class CapabilityQuestions:
    """What is asked about what would run these machines, and what the answers come to."""

    def __init__(
        self, edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], emulators: Mapping[str, str]
    ) -> None:
        """Of each machine with the QEMU that would run it, as far as that is known.

        :raise LostError: when libvirt hangs up.
        """
        self._lab, self._names = lab, names
        self._emulators = emulators
        self._hyperv = EnlightenmentQuestions(edges, lab, host, self._emulators)
        programs = sorted({QEMU, *self._emulators.values()}) if names else []
        self._qemus = {program: _QemuQuestions(program) for program in programs}
        self._kept = Question(
            Run(("cat", LabPaths(lab.state_dir, lab.name).accelerators)), lambda kept: kept.out
        )
        self._images = {
            path: Question(Run(("qemu-img", "info", "-U", *form, "--output=json", "--", path)), _image)
            for path, form in _images(lab, names).items()
        }

    @property
    def questions(self) -> list[Question[Any]]:
        """Every question, for the one batch that they go in; none without machines."""
        if not self._names:
            return []
        return [
            self._kept,
            *(each for qemu in self._qemus.values() for each in qemu.questions),
            *self._images.values(),
            *self._hyperv.questions,
        ]

    def capabilities(self, answers: Answers, runner: Runner, boot: str) -> Capabilities:
        """What would run the machines; the accelerators are measured where that has not been done in this boot.

        :raise HostError: when a QEMU or the probe of accelerators fails.
        """
        if not self._names:
            return Capabilities()
        found = {program: self._qemus[program].emulator(answers) for program in {*self._emulators.values()}}
        images = {path: answers[question] for path, question in self._images.items()}
        return Capabilities(
            {name: found[program] for name, program in self._emulators.items()},
            self._accelerators(answers, runner, boot),
            {path: image for path, image in images.items() if image is not None},
            self._hyperv.named(answers),
            self._hyperv.module(answers),
        )

    def _accelerators(self, answers: Answers, runner: Runner, boot: str) -> Accelerators | None:
        version = answers[self._qemus[QEMU].version]
        wanted = any(self._lab.machines[name].accel != "tcg" for name in self._names)
        if not wanted or version.status == NOT_FOUND:
            return None
        key = _key(boot, version)
        return kept_accelerators(key, answers[self._kept]) or _measured(runner, self._lab, key)


def read_qemu(runner: Runner) -> Emulator:
    """The host's own QEMU; without version where it is not there."""
    about = _QemuQuestions(QEMU)
    return about.emulator(ask(runner, about.questions))


def _key(boot: str, version: Result) -> str:
    return f"{boot} {version.out.splitlines()[0] if version.ok and version.out else ''}"


def _measured(runner: Runner, lab: Lab, key: str) -> Accelerators:
    """Which accelerator works, measured, and kept where the state directory can be written.

    :raise HostError: when the probe fails.
    """
    probe = shipped_text("accelerators.sh")
    with underway(f"measuring KVM and TCG on {runner.name}", _PATIENCE):
        answer = runner.run(shell(f'{probe}\nprobe_accelerators "$1"', QEMU).argv, timeout=_PATIENCE)
    found = parse_accelerators(answer.check().out)
    path = LabPaths(lab.state_dir, lab.name).accelerators
    runner.run(shell(_KEEP, path).argv, stdin=written_accelerators(key, found))
    return found


def measure_accelerators(runner: Runner, lab: Lab) -> Accelerators:
    """Which accelerator works now, whatever was kept."""
    version = Question(Run((QEMU, "--version")), lambda answer: answer)
    answers = ask(runner, [BOOT, version])
    return _measured(runner, lab, _key(answers[BOOT], answers[version]))
