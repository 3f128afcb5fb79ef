"""TABLE: why what a domain has is not carried over into a lab file."""

from __future__ import annotations

import re

from provision.facts.domain_tolerated import bare

_BY_GUEST = "follows from `guest:` in a lab file"
_BY_HOST = "follows from `guest:`, `nested:` and what the host can do: `up` asks it, and here nobody has"

WHY: tuple[tuple[str, str], ...] = (
    ("title|description|metadata", "words about the domain, which a lab file has no place for"),
    ("boot", "a lab file's machine boots its disks in their order, then its CDs"),
    ("firmware", "`uefi` and `uefi-secure-boot` are libvirt's own choice of files for them"),
    (
        "cpu/topology",
        "a lab file's machine has one socket unless `cpu:` says otherwise, of whose processors Windows 10 and 11 use all; libvirt makes a socket of each where nothing is said",
    ),
    ("cpu", "a lab file has no CPU model: with KVM a machine has the host's CPU, with TCG QEMU's `max`"),
    ("features/hyperv|cpu/feature", _BY_HOST),
    ("clock|pm", _BY_GUEST),
    ("features/(smm|vmport)", "a lab file's machine has SMM with secure boot, and no VMware port on q35"),
    ("devices/(graphics [a-z]+|video|input tablet usb|controller usb)", f"{_BY_GUEST}: Windows has a VNC screen, Linux none"),
    ("devices/(serial|console [a-z]+|channel org.qemu.guest_agent.0)", "every machine has a serial port and the agent's channel"),
    ("devices/memballoon", "a lab file's machines have no balloon: their memory is theirs"),
    ("currentMemory|maxMemory", "a lab file has one size of memory"),
    ("vcpu", "a lab file has one number of vCPUs: those that are there now"),
    ("devices/interface/driver@tx_queue_size", "QEMU 8.1 and later start with none but 256 on a TAP, older ones cut it down to that"),
    ("devices/interface/source", "a lab file knows bridges, libvirt's networks, TAPs, macvtap and user"),
    ("devices/interface/target@dev", "a TAP's name must not begin with what libvirt renames, nor be there twice"),
    ("devices/interface/model@type", "a lab file knows virtio and e1000e"),
    ("devices/disk [a-z]+/driver@discard", "what the guest trims goes back to the host from qcow2 images and block devices, and from no other"),
    ("devices/disk [a-z]+/driver@(cache|io)", "left to QEMU's default; of a block device it is none and native"),
    ("devices/disk [a-z]+/driver", "left to QEMU's default"),
    ("devices/disk [a-z]+/target@bus", "a lab file knows virtio, sata and scsi; the guest needs a driver for its new bus to boot"),
    ("devices/controller scsi", "a lab file's SCSI disks are on virtio-scsi with libvirt's own settings, and there is none without them"),
    ("devices/rng", "every machine has one virtio-rng, which /dev/urandom feeds"),
    ("devices/tpm", "a lab file knows an emulated TPM 2.0 as tpm-crb"),
    ("qemu:override", "an override of what a lab file has no word for"),
    ("@type", "a lab file knows KVM and TCG"),
    ("os/type", "a lab file's machines are x86_64 PCs"),
)  # fmt: skip
"""Path, and why it cannot be carried over; the first that matches."""

_ANYTHING_ELSE = "a lab file has no word for it"
_ALWAYS = "every machine of a lab file has it"


def why(path: str, *, added: bool = False) -> str:
    """Why what stands at a path is otherwise in a lab file's machine, or is there at all."""
    otherwise = _ALWAYS if added else _ANYTHING_ELSE
    matches = (reason for pattern, reason in WHY if re.match(rf"(?:{pattern})(?:[/@]|$)", bare(path)))
    return next(matches, otherwise)
