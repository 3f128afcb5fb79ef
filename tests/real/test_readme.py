"""What the README shows is run, and prints what the README says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.real.conftest import ROOT, Lab
from tests.real.domains import define, domain, interface, settled
from tests.real.hypervisor import Hypervisor
from tests.real.preloaded import rscvm

README = (ROOT / "README.md").read_text()


def block(language: str, place: str) -> str:
    """The first block of code of that language after these words."""
    found = re.search(rf"^```{language}\n(.*?)^```$", README[README.index(place) :], re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_screen_is_that_of_three_domains_of_which_two_are_broken(with_libvirt: Hypervisor) -> None:
    host = with_libvirt
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    for number, (name, more) in enumerate(
        {"mail": "", "web": "", "files": "<driver><guest tso4='off' tso6='off'/></driver>"}.items()
    ):
        define(host, domain(name, interface(more=f"<mac address='52:54:00:0a:09:0{number}'/>{more}")))
        host.virsh("start", name)
    settled(host, {"mail.net0": "ready", "web.net0": "ready", "files.net0": "guest-offloads-off"})
    host.output(["ethtool", "-K", "vnet1", "tx", "off"])

    shown, *after = block("console", "# rscvm").split("$ sudo rscvm check\n")[1].split("$ ")
    done = rscvm(host, "check")

    assert done.returncode == 1
    assert "machines that are off are not in this: `rscvm check --connect qemu:///system`" in done.stderr
    assert done.stdout.split("\n\n")[0] == shown.removesuffix("…\n").strip()
    for line in after:
        words = line.split("#")[0].removeprefix("sudo ").split()
        assert (words[0], rscvm(host, *words[1:]).returncode) == ("rscvm", 0)


def test_the_example_prints_what_the_readme_says(hypervisor: Hypervisor, tmp_path: Path) -> None:
    (tmp_path / "build").symlink_to(ROOT / "build")
    there = Lab(hypervisor, tmp_path / "vm.yaml")
    there.path.write_text(block("yaml", "## Lab files"))
    console = block("console", "## Lab files")
    printed = ""

    for line in [line for line in console.splitlines() if line.startswith("# ")]:
        printed += f"{line}\n"
        program, *words = line[2:].split()
        if program == "rscvm":
            printed += there.run(words[0]).stdout
        else:
            hypervisor.output([program, *words])

    assert printed.replace(str(there.path), "vm.yaml") == console


def test_the_windows_example_renders(hypervisor: Hypervisor, tmp_path: Path) -> None:
    path = tmp_path / "win.yaml"
    path.write_text(block("yaml", "A Windows machine under libvirt"))
    there = Lab(hypervisor, path)

    for form in ("xml", "argv", "script"):
        assert there.run("render", "--as", form).returncode == 0


def test_every_lab_file_in_it_is_one(hypervisor: Hypervisor, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    for text in re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        path.write_text(text)
        done = Lab(hypervisor, path).run("validate")
        assert done.returncode == 0, done.stderr
