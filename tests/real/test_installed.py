"""rscvm as it is installed: from its wheel, outside the checkout, with Debian's libvirt-python and no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import click
import pytest

from tests.real.conftest import ROOT

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
NOT_TAKEN = ("libvirt", "rscvm", "pip")
"""Of this environment's packages: what Debian has, and what is to be installed."""
BY_SUDO = """
mount -t tmpfs tmpfs /usr/local/bin
ln -s "$1/bin/rscvm" /usr/local/bin/rscvm
cd "$2"
sudo -n rscvm --version
sudo -n rscvm examples windows -o vm.yaml
sudo -n rscvm render vm.yaml
"""
"""In a mount namespace of its own, so that this machine's /usr/local/bin stays what it is."""


def said(argv: list[str], at: str | Path = "/", **environment: str) -> str:
    """What it prints; of this environment nothing leads it to the checkout."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=at)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    said([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place), str(ROOT)])
    return next(place.glob("rscvm-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of Debian's Python with Debian's packages, and of what else rscvm needs, this one's."""
    place = tmp_path_factory.mktemp("opt") / "rscvm"
    said(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", str(place)])
    [site] = place.glob("lib/python3*/site-packages")
    there = Path(click.__file__).parent.parent
    assert site.parent.name == there.parent.name, "Debian's Python is another than this environment's"
    for each in there.iterdir():
        if not each.name.startswith(NOT_TAKEN) and each.suffix != ".pth":  # which would lead to the checkout
            (site / each.name).symlink_to(each)
    python = str(place / "bin" / "python")
    said([*PIP, "--python", python, "install", "--no-index", str(wheel)], PATH=str(place / "bin"))
    return place


def test_a_wheel_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    lab = tmp_path / "one.yaml"
    lab.write_text("version: 1\nmachines: {vm: {guest: windows, memory: 8GiB, nics: [{bridge: br0}]}}\n")

    for form in ("xml", "argv", "script"):
        assert "52:" in said([str(installed / "bin" / "rscvm"), "render", str(lab), "vm", "--as", form])
    where = [str(installed / "bin" / "python"), "-c", "import provision; print(provision.__file__)"]
    assert said(where).startswith(str(installed))


def test_a_wheel_of_the_source_distribution_is_the_same(wheel: Path, tmp_path: Path) -> None:
    said([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)], at=ROOT)
    [archive] = tmp_path.glob("rscvm-*.tar.gz")
    said([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(archive)])
    [made] = tmp_path.glob("rscvm-*.whl")

    with ZipFile(wheel) as ours, ZipFile(made) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        assert [name for name in ours.namelist() if ours.read(name) != theirs.read(name)] == []


def test_debians_libvirt_python_is_enough_and_sudo_finds_a_link_in_usr_local_bin(
    installed: Path, wheel: Path, tmp_path: Path
) -> None:
    told = said(["unshare", "--mount", "sh", "-euc", BY_SUDO, "sh", str(installed), str(tmp_path)])

    version, _, domain = told.partition("\n")
    assert version.split()[-1] == wheel.name.split("-")[1]
    assert domain.startswith('<domain type="kvm"')
    assert (tmp_path / "vm.yaml").read_text() == (ROOT / "examples" / "windows.yaml").read_text()
    libvirt = said([str(installed / "bin" / "python"), "-c", "import libvirt; print(libvirt.__file__)"])
    assert libvirt.startswith("/usr/lib/python3/dist-packages/")
    assert (installed / "share/man/man1/rscvm.1").read_bytes() == (ROOT / "docs" / "rscvm.1").read_bytes()


def test_pip_leaves_nothing_of_it_behind_but_compiled_templates(installed: Path, tmp_path: Path) -> None:
    lab = tmp_path / "vm.yaml"
    said([str(installed / "bin" / "rscvm"), "examples", "windows", "-o", str(lab)])
    said([str(installed / "bin" / "rscvm"), "render", str(lab)], PYTHONDONTWRITEBYTECODE="")

    said([*PIP, "--python", str(installed / "bin" / "python"), "uninstall", "--yes", "rscvm"])

    assert not list(installed.rglob("*rscvm*"))
    left = {path.parent for path in installed.glob("lib/*/*/provision/**/*") if path.is_file()}
    assert {"/".join(path.parts[-2:]) for path in left} == {"templates/__pycache__"}
