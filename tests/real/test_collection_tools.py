"""The collection by Ansible's own tools: built, installed, documented, linted, with the oldest ansible-core and the newest."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collection import COLLECTION, INVENTORIES, MODULES, PLAYBOOKS, ROOT
from tests.real.fleet import VERSIONS

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Tools:
    """Ansible's programs of one version, where nothing but our collection is installed."""

    venv: Path
    home: Path

    def run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        """What it prints; it succeeds, and warns of nothing."""
        own = {"HOME": str(self.home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
        own["ANSIBLE_COLLECTIONS_PATH"] = str(self.home)
        own["PATH"] = f"{self.venv / 'bin'}:{os.environ['PATH']}"
        argv = [str(self.venv / "bin" / program), *words]
        done = subprocess.run(
            argv, cwd=cwd or self.home, env={**os.environ, **own}, capture_output=True, text=True, check=False
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "WARNING" not in said
        return done.stdout

    def plugins(self, kind: str, names: list[str]) -> dict[str, Any]:
        """What `ansible-doc` has of these plugins of ours."""
        full = [f"rscvm.kvm.{name}" for name in names]
        found: dict[str, Any] = json.loads(self.run("ansible-doc", "--type", kind, "--json", *full))
        assert {*found} == {*full}
        return found


@pytest.fixture(scope="module", params=VERSIONS)
def tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """Each version in turn, with the collection installed from its archive."""
    venv = VERSIONS[request.param].parent
    assert (venv / "bin" / "ansible-galaxy").exists(), f"{venv} is not there: run `make fleet`"
    made = Tools(venv, tmp_path_factory.mktemp(request.param))
    made.run("ansible-galaxy", "collection", "build", "--output-path", str(made.home), str(COLLECTION))
    [archive] = made.home.glob("rscvm-kvm-*.tar.gz")
    made.run("ansible-galaxy", "collection", "install", str(archive), "-p", str(made.home), "--offline")
    return made


def test_the_archive_has_what_belongs_to_it(tools: Tools) -> None:
    installed = tools.home / "ansible_collections" / "rscvm" / "kvm"
    files = {row["name"] for row in json.loads((installed / "FILES.json").read_text())["files"]}

    assert {
        "README.md",
        "CHANGELOG.rst",
        "LICENSE",
        "meta/runtime.yml",
        "audit.yml",
        "playbooks/audit.yml",
    } <= files
    assert not [name for name in files if "collections" in name or "__pycache__" in name]


def test_plugins_are_documented(tools: Tools) -> None:
    modules = tools.plugins("module", MODULES)

    for told in (*modules.values(), *tools.plugins("inventory", INVENTORIES).values()):
        assert told["doc"]["description"]
        assert told["examples"]
    for told in modules.values():
        attributes = told["doc"]["attributes"]
        assert told["return"]
        assert attributes["async"]["support"] == "none"
        assert all(said.get("description") and said.get("support") for said in attributes.values())


def test_playbooks_run_by_their_names(tools: Tools) -> None:
    listed = tools.run(
        "ansible-playbook", "--list-tasks", "--inventory", "hv1,", *(f"rscvm.kvm.{name}" for name in PLAYBOOKS)
    )  # fmt: skip

    assert listed.count("\nplaybook: ") == len(PLAYBOOKS)
    assert "Write the report of all hosts" in listed
    assert "Set what the host's variables say" in listed


@pytest.mark.parametrize("tools", ["newest"], indirect=True)
def test_ansible_lint_finds_nothing(tools: Tools) -> None:
    files = ["galaxy.yml", "meta/runtime.yml", *(f"{name}.yml" for name in PLAYBOOKS)]
    tools.run("ansible-lint", "--offline", *files, cwd=COLLECTION)


@pytest.mark.parametrize("tools", ["newest"], indirect=True)
def test_the_changelog_is_as_antsibull_makes_it(tools: Tools) -> None:
    tools.run("antsibull-changelog", "lint", cwd=COLLECTION)
    before = (COLLECTION / "CHANGELOG.rst").read_text()
    copy = tools.home / "ansible_collections" / "rscvm" / "kvm"
    (copy / "CHANGELOG.rst").unlink()
    (copy / "galaxy.yml").write_bytes((COLLECTION / "galaxy.yml").read_bytes())
    tools.run("antsibull-changelog", "generate", cwd=copy)

    assert (copy / "CHANGELOG.rst").read_text() == before


@pytest.mark.parametrize("tools", ["newest"], indirect=True)
def test_sanity(tools: Tools) -> None:
    """What looks at documentation; `make sanity` runs all of it."""
    chosen = ("action-plugin-docs", "validate-modules")
    script = [str(ROOT / "tests" / "sanity.sh"), str(tools.venv)]
    done = subprocess.run(
        [*script, *(word for name in chosen for word in ("--test", name))], capture_output=True, text=True, check=False
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
