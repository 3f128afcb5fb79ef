"""Reads what would run machines on a host: QEMUs, disk images, accelerators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.accelerators import (
    Accelerators,
    kept_accelerators,
    parse_accelerators,
    written_accelerators,
)
from provision.facts.qemu import Emulator, parse_device_help, parse_image_info, parse_version
from provision.lab.paths import LabPaths
from provision.render.view import machine_view
from provision.runtime.command import NOT_FOUND, QEMU, Run, shell
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.templates import shipped_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.qemu import Image
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.runtime.command import Result
    from provision.runtime.protocols import ReadingEdges, Runner

BOOT = Run(("cat", "/proc/sys/kernel/random/boot_id"))
"""Tells one boot of a host from another."""

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


def _image_paths(lab: Lab, names: Sequence[str]) -> list[str]:
    disks = (disk for name in names for disk in machine_view(lab, name).disks if not disk.cdrom)
    return sorted({path for disk in disks for path in (disk.base, disk.path) if path})


def _qemu_questions(programs: Sequence[str]) -> list[Run]:
    return [Run((program, *more)) for program in programs for more in (("--version",), _DEVICE_HELP)]


def capability_questions(lab: Lab, names: Sequence[str], emulators: Mapping[str, str]) -> list[Run]:
    """What to ask the host; `with_means` reads the answers, in this order."""
    programs = sorted({QEMU, *emulators.values()}) if names else []
    images = _image_paths(lab, names)
    return [
        Run(("cat", LabPaths(lab.state_dir, lab.name).accelerators)),
        *_qemu_questions(programs),
        *(Run(("qemu-img", "info", "-U", "--output=json", "--", path)) for path in images),
    ]


def with_capabilities(
    runner: Runner, lab: Lab, state: HostState, emulators: Mapping[str, str], answers: Sequence[Result]
) -> HostState:
    """The host with what would run its machines.

    :raise HostError: when a QEMU or the probe of accelerators fails.
    """
    names = list(emulators)
    programs = sorted({QEMU, *emulators.values()}) if names else []
    kept, *rest = answers
    about, images = rest[: 2 * len(programs)], rest[2 * len(programs) :]
    versions = dict(zip(programs, about[::2], strict=True))
    asks = any(lab.machines[name].accel != "tcg" for name in names) and versions[QEMU].status != NOT_FOUND
    accelerators = None
    if asks:
        key = _key(state.boot, versions[QEMU])
        accelerators = kept_accelerators(key, kept.out) or measured(runner, lab, key)
    qemus = _qemus({*emulators.values()}, programs, about)
    return replace(
        state,
        accelerators=accelerators,
        qemus={name: qemus[program] for name, program in emulators.items()},
        images=_images(_image_paths(lab, names), images),
    )


def _qemus(wanted: set[str], programs: Sequence[str], answers: Sequence[Result]) -> dict[str, Emulator]:
    found: dict[str, Emulator] = {}
    for program, version, device in zip(programs, answers[::2], answers[1::2], strict=True):
        if program not in wanted:
            continue
        if version.status == NOT_FOUND:
            found[program] = Emulator(program)
        else:
            properties = parse_device_help(device.check().out)
            found[program] = Emulator(program, parse_version(version.check().out), properties)
    return found


def read_qemu(runner: Runner) -> Emulator:
    """The host's own QEMU; without version where it is not there."""
    return _qemus({QEMU}, [QEMU], runner.run_all(_qemu_questions([QEMU])))[QEMU]


def _images(paths: Sequence[str], answers: Sequence[Result]) -> dict[str, Image]:
    images: dict[str, Image] = {}
    for path, answer in zip(paths, answers, strict=True):
        try:
            images[path] = parse_image_info(answer.check().out)
        except UnreadableError:
            raise
        except HostError:
            continue  # what is no image, or not there, is said with the other things that the host lacks
    return images


def _key(boot: str, version: Result) -> str:
    return f"{boot} {version.out.splitlines()[0] if version.ok and version.out else ''}"


def measured(runner: Runner, lab: Lab, key: str) -> Accelerators:
    """Which accelerator works, measured, and kept where the state directory can be written.

    :raise HostError: when the probe fails.
    """
    probe = shipped_text("accelerators.sh")
    answer = runner.run(shell(f'{probe}\nprobe_accelerators "$1"', QEMU).argv, timeout=90)
    found = parse_accelerators(answer.check().out)
    path = LabPaths(lab.state_dir, lab.name).accelerators
    runner.run(shell(_KEEP, path).argv, stdin=written_accelerators(key, found))
    return found


def measure_accelerators(runner: Runner, lab: Lab) -> Accelerators:
    """Which accelerator works now, whatever was kept."""
    boot, version = runner.run_all([BOOT, Run((QEMU, "--version"))])
    return measured(runner, lab, _key(boot.out.strip(), version))
