"""Asks apt which packages there are and fetches them, without installing any; needs no root."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path, PurePosixPath


class PackageError(Exception):
    """A package or a packaging tool that cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package as apt would fetch it now."""

    name: str
    version: str
    sha256: str
    depends: str

    @property
    def spec(self) -> str:
        """Name and version as apt-get takes them."""
        return f"{self.name}={self.version}"

    def file_in(self, folder: Path) -> Path:
        """Where apt-get download puts it, which writes the colon of an epoch as %3a."""
        return folder / f"{self.name}_{self.version.replace(':', '%3a')}_amd64.deb"


def _run(argv: Sequence[str], cwd: Path | None = None) -> str:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PackageError(
            f"{argv[0]} not found: the guest is built from Debian packages, on Debian 12"
        ) from error
    if done.returncode:
        raise PackageError(f"{' '.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout


def _package(stanza: str) -> Package:
    fields = dict(
        line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" ")
    )
    try:
        return Package(fields["Package"], fields["Version"], fields["SHA256"], fields.get("Depends", ""))
    except KeyError as error:
        raise PackageError(
            f"apt-cache does not say {error} of {fields.get('Package')}: run apt-get update"
        ) from error


def candidates(names: Sequence[str], folder: Path) -> tuple[Package, ...]:
    """What apt would fetch for these names, in their order; apt's cache is kept in the folder.

    :raise PackageError: when apt does not know one of them.
    """
    # Debian's container images forbid apt a cache of its own, and without one each question takes a second.
    cache = ["-o", f"Dir::Cache::pkgcache={(folder / 'pkgcache.bin').resolve()}"]
    shown = _run(["apt-cache", *cache, "show", "--no-all-versions", *names])
    packages = {package.name: package for package in map(_package, shown.strip().split("\n\n"))}
    missing = [name for name in names if name not in packages]
    if missing:
        raise PackageError(f"apt does not know {', '.join(missing)}: run apt-get update on Debian 12 (amd64)")
    return tuple(packages[name] for name in names)


def _intact(path: Path, package: Package) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256


def fetch(packages: Sequence[Package], folder: Path) -> None:
    """See that the folder has exactly these packages' .deb files; only what is missing is downloaded.

    :raise PackageError: when one cannot be downloaded, or is not what apt's index says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {package.file_in(folder) for package in packages}
    for path in set(folder.glob("*.deb")) - wanted:
        path.unlink()
    missing = [package for package in packages if not _intact(package.file_in(folder), package)]
    if missing:
        # As root apt would download as another user, who may not write here.
        sandbox = ["-o", f"APT::Sandbox::User={'root' if os.geteuid() == 0 else ''}"]
        _run(["apt-get", "-qq", *sandbox, "download", *(package.spec for package in missing)], cwd=folder)
    for package in missing:
        if not _intact(package.file_in(folder), package):
            raise PackageError(
                f"{package.file_in(folder)} is not what apt's index says: run apt-get update, try again"
            )


def unpack(packages: Sequence[Package], folder: Path, target: Path) -> None:
    """Take packages of the folder apart into target, which is made."""
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package.file_in(folder)), str(target)])


def find_file(root: Path, name: str, folders: Sequence[PurePosixPath]) -> Path:
    """The file of that name in the first of the folders below root that has it.

    :raise PackageError: when none has it.
    """
    for folder in folders:
        if (path := root / folder / name).exists():
            return path
    raise PackageError(f"no package has {name}: add the one that does to packages in guest/kinds.py")
