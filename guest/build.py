#!/usr/bin/env python3
"""Builds a guest, its kernel and its initramfs, from Debian 12 packages; does nothing when nothing changed.

The initramfs is written packed (initrd.gz) and unpacked (initrd), which boots in less time under TCG; so is a host's kernel.

Nothing is installed: the packages are downloaded, kept in the output folder, and taken apart.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import bzimage
import cpio
import debian
import driver
import elf
from kinds import KERNELS, KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent

LOADER = "ld-linux-x86-64.so.2"
LIBRARY_FOLDERS = tuple(map(PurePosixPath, ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")))


def say(text: str) -> None:
    """Report progress where it does not mix with output."""
    print(f"guest: {text}", file=sys.stderr)


def kernel_package(meta: debian.Package) -> str:
    """The package with the kernel itself, on which the meta package depends."""
    for dependency in meta.depends.split(","):
        name = dependency.strip().split(" ")[0]
        if name.startswith("linux-image-"):
            return name
    raise debian.PackageError(f"{meta.spec} depends on no kernel: {meta.depends!r}")


def stamp_of(packages: Sequence[debian.Package], kind: str, kernel: str) -> str:
    """What decides the result: the packages and the files of this folder."""
    sources = [HERE / "init", *sorted(HERE.glob("*.py"))]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    versions = {package.spec: package.sha256 for package in packages}
    decisive = {"kind": kind, "kernel": kernel, "packages": versions, "sources": hashes}
    return json.dumps(decisive, indent=1) + "\n"


def modules_in_order(tree: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """The modules and all that they need, by name, in the order in which insmod takes them.

    :raise debian.PackageError: when the kernel has no such module.
    """
    # Files may have a dash where the kernel's own name for the module has an underscore.
    files = {path.stem.replace("-", "_"): path for path in sorted(tree.glob("lib/modules/*/kernel/**/*.ko"))}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered:
            return
        if name not in files:
            raise debian.PackageError(
                f"the kernel has no module {name} (built in, or compressed?): see guest/build.py"
            )
        content = files[name].read_bytes()
        for needed in elf.needed_modules(content):
            add(needed)
        ordered[name] = content

    for name in wanted:
        add(name)
    return ordered


def module_entries(tree: Path, wanted: Sequence[str], later: Sequence[str]) -> dict[str, cpio.Entry]:
    """The modules, the driver and its variants, and in which order init loads all but the driver, and somebody the later ones."""
    modules = modules_in_order(tree, [*wanted, "virtio_net"])
    order = [name for name in modules if name != "virtio_net"]
    every = modules_in_order(tree, [*modules, *later])
    orders = {"order": order, "later": [name for name in every if name not in modules]}
    for name, swaps in driver.VARIANTS.items():
        every[name] = driver.patched(modules["virtio_net"], swaps)
    entries = {f"modules/{name}.ko": cpio.plain(content) for name, content in every.items()}
    return entries | {
        f"modules/{file}": cpio.plain("".join(f"{name}\n" for name in names).encode())
        for file, names in orders.items()
    }


def program_entries(tree: Path, programs: Sequence[str]) -> dict[str, cpio.Entry]:
    """The programs, the loader, and every library that one of them needs, directly or not.

    :raise debian.PackageError: when a program or library is in none of the packages.
    """
    root = PurePosixPath()
    entries = {name: cpio.program(debian.find_file(tree, name, [root]).read_bytes()) for name in programs}
    pending = [name for entry in entries.values() for name in elf.needed_libraries(entry.content)]
    while pending:
        soname = pending.pop()
        folder = PurePosixPath("lib64") if soname == LOADER else LIBRARY_FOLDERS[0]
        if str(folder / soname) in entries:
            continue
        content = debian.find_file(tree, soname, LIBRARY_FOLDERS).read_bytes()
        entries[str(folder / soname)] = cpio.program(content)
        pending += elf.needed_libraries(content)
    return entries


def build(kind: Kind, kernel: str, packages: Sequence[debian.Package], output: Path) -> None:
    """Make kernel and initramfs of packages, whose first is the kernel, and put them in place at the end."""
    debs = output / "debs"
    say(f"packages: {', '.join(package.spec for package in packages)}")
    debian.fetch(packages, debs)
    with tempfile.TemporaryDirectory(dir=output, prefix=".build-") as folder:
        work = Path(folder)
        say("taking the packages apart")
        debian.unpack(packages[:1], debs, work / "kernel")
        debian.unpack(packages[1:], debs, work / "tree")
        say("making the driver variants and the initramfs")
        modules = (*KERNELS[kernel][1], *kind.modules)
        entries = program_entries(work / "tree", kind.programs) | module_entries(
            work / "kernel", modules, kind.later
        )
        entries |= {name: cpio.plain(content) for name, content in kind.files.items()}
        entries |= {"init": cpio.program((HERE / "init").read_bytes()), "dev/console": cpio.node(5, 1)}
        image, initrd = next((work / "kernel/boot").glob("vmlinuz-*")).read_bytes(), cpio.archive(entries)
        results = {"vmlinuz": image, "initrd.gz": gzip.compress(initrd, 6, mtime=0), "initrd": initrd}
        results |= {"vmlinux": bzimage.unpacked(image)} if kind.unpacked else {}
        for name, content in results.items():
            (work / name).write_bytes(content)
            (work / name).replace(output / name)
            say(f"{output / name}: {(output / name).stat().st_size / 1e6:.1f} MB")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the output folder: a second build waits for the first, and then finds its work done."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    """Build what is not up to date; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), default="guest", help="host: has sshd and e1000e")
    parser.add_argument("-o", "--output", type=Path, help="folder of the result; build/KIND unless said")
    parser.add_argument("--kernel", choices=sorted(KERNELS), help="full: slower to boot, has e1000(e)")
    options = parser.parse_args(arguments)
    kind = KINDS[options.kind]
    kernel: str = options.kernel or kind.kernel
    output: Path = options.output or HERE.parent / "build" / options.kind
    try:
        output.mkdir(parents=True, exist_ok=True)
        with locked(output):
            meta, *userland = debian.candidates([KERNELS[kernel][0], *kind.packages], output)
            stamp, wanted = output / "stamp.json", stamp_of([meta, *userland], options.kind, kernel)
            if stamp.is_file() and stamp.read_text() == wanted:
                return 0
            # Without a stamp a build that is cut off is made again.
            stamp.unlink(missing_ok=True)
            kernels = debian.candidates([kernel_package(meta)], output)
            build(kind, kernel, [*kernels, *userland], output)
            stamp.write_text(wanted)
    except (debian.PackageError, elf.ElfError, OSError) as error:
        say(f"not built: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
