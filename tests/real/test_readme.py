"""The README's example is run, and prints what the README says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.real.conftest import ROOT, Lab
from tests.real.hypervisor import Hypervisor

README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_prints_what_the_readme_says(hypervisor: Hypervisor, tmp_path: Path) -> None:
    (tmp_path / "build").symlink_to(ROOT / "build")
    there = Lab(hypervisor, tmp_path / "vm.yaml")
    there.path.write_text(block("yaml"))
    printed = ""

    for line in [line for line in block("console").splitlines() if line.startswith("# ")]:
        printed += f"{line}\n"
        program, *words = line[2:].split()
        if program == "rscvm":
            printed += there.run(words[0]).stdout
        else:
            hypervisor.output([program, *words])

    assert printed == block("console")


def test_the_windows_example_renders(hypervisor: Hypervisor, tmp_path: Path) -> None:
    path = tmp_path / "win.yaml"
    path.write_text(README.split("```yaml\n")[2].split("```")[0])
    there = Lab(hypervisor, path)

    for form in ("xml", "argv", "script"):
        assert there.run("render", "--as", form).returncode == 0
