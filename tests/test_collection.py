"""The Ansible collection says one thing in all its files, and what it says of its plugins is what they do."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from tests.collection import (
    COLLECTION,
    INVENTORIES,
    MINORS,
    MODULES,
    PLAYBOOKS,
    PLUGINS,
    ROOT,
    constant,
    documentation,
    yaml,
)

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GALAXY = yaml((COLLECTION / "galaxy.yml").read_text())
CHANGES = yaml((COLLECTION / "changelogs" / "changelog.yaml").read_text())["releases"]
README = (COLLECTION / "README.md").read_text()
EXTRA = SpecifierSet(PYPROJECT["project"]["optional-dependencies"]["fleet"][0].removeprefix("ansible-core"))


def as_spec(option: dict[str, Any]) -> dict[str, Any]:
    """A documented option as an argument spec has it."""
    return {key: value for key, value in option.items() if key != "description"}


def all_documented() -> list[tuple[str, str]]:
    return [("modules", name) for name in MODULES] + [("inventory", name) for name in INVENTORIES]


def test_every_action_is_a_documented_module() -> None:
    assert {path.stem for path in (PLUGINS / "action").glob("*.py")} == {*MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented_as_they_are(name: str) -> None:
    spec = constant(PLUGINS / "action" / f"{name}.py", "options", "_OPTIONS")

    assert {key: as_spec(option) for key, option in documentation("modules", name)["options"].items()} == spec


@pytest.mark.parametrize("name", MODULES)
def test_modules_tell_what_they_support_and_return(name: str) -> None:
    module = PLUGINS / "modules" / f"{name}.py"
    told = documentation("modules", name)
    attributes = yaml(constant(PLUGINS / "doc_fragments" / "attributes.py", "DOCUMENTATION"))["attributes"]
    support = {key: {**attributes.get(key, {}), **said} for key, said in told["attributes"].items()}

    assert "rscvm.kvm.attributes" in told["extends_documentation_fragment"]
    assert {"check_mode", "diff_mode"} <= {key for key, said in support.items() if said.get("support")}
    assert yaml(constant(module, "RETURN"))
    assert all([*task][1] == f"rscvm.kvm.{name}" for task in yaml(constant(module, "EXAMPLES"))[:1])


@pytest.mark.parametrize(("kind", "name"), all_documented())
def test_plugins_are_documented_and_in_the_readme(kind: str, name: str) -> None:
    told = documentation(kind, name)

    assert told.get("module", told.get("name")) == name
    assert told["version_added"] in CHANGES
    assert f"| `rscvm.kvm.{name}` |" in README
    assert constant(PLUGINS / kind / f"{name}.py", "EXAMPLES")


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbooks_run_by_name_and_are_in_the_readme(name: str) -> None:
    [play] = yaml((COLLECTION / "playbooks" / f"{name}.yml").read_text())
    used = set(re.findall(r"rscvm\.kvm\.(\w+):", (COLLECTION / f"{name}.yml").read_text()))

    assert play["ansible.builtin.import_playbook"] == f"../{name}.yml"
    assert f"| `rscvm.kvm.{name}` |" in README
    assert used
    assert used <= {*MODULES}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_variables_of_playbooks_are_in_the_readme(name: str) -> None:
    text = (COLLECTION / f"{name}.yml").read_text()
    names = set(re.findall(r"{{ (\w+) \| default", text)) | ({"report"} if "{{ report }}" in text else set())

    assert not {each for each in names if f"`{each}" not in README}


def test_ansible_core_is_of_one_range_everywhere() -> None:
    runtime = yaml((COLLECTION / "meta" / "runtime.yml").read_text())["requires_ansible"]
    ignored = {path.stem for path in (COLLECTION / "tests" / "sanity").glob("ignore-*.txt")}
    makefile = (ROOT / "Makefile").read_text()
    newest, oldest = (
        re.search(rf"^{n} := ansible-core==(\S+)", makefile, re.MULTILINE) for n in ("NEWEST", "OLDEST")
    )

    assert SpecifierSet(runtime) == EXTRA == SpecifierSet(f">=2.{MINORS[0]},<2.{MINORS[-1] + 1}")
    assert ignored == {f"ignore-2.{minor}" for minor in MINORS}
    assert f"ansible-core 2.{MINORS[0]} to 2.{MINORS[-1]}" in README
    assert newest is not None
    assert newest[1].startswith(f"2.{MINORS[-1]}.")
    assert oldest is not None
    assert oldest[1] == f"2.{MINORS[0]}.0"


def test_nothing_but_the_licence_line_is_ignored() -> None:
    lines = [
        line
        for path in (COLLECTION / "tests" / "sanity").glob("ignore-*.txt")
        for line in path.read_text().splitlines()
    ]

    assert {line.split(" ", 1)[1] for line in lines} == {
        "validate-modules:missing-gplv3-license # BSD-3-Clause, see LICENSE"
    }


def test_the_version_is_the_changelogs() -> None:
    assert GALAXY["version"] == [*CHANGES][-1]
    assert f"v{GALAXY['version']}\n" in (COLLECTION / "CHANGELOG.rst").read_text()
    told = {each["name"] for change in CHANGES.values() for each in change.get("modules", ())}
    assert told == {*MODULES}


def test_the_source_distribution_carries_it_under_our_licence() -> None:
    assert "/playbooks" in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert (COLLECTION / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (COLLECTION / GALAXY["readme"]).is_file()


def test_in_place_it_is_found_under_its_name() -> None:
    link = COLLECTION / "collections" / "ansible_collections" / GALAXY["namespace"] / GALAXY["name"]

    assert link.resolve() == COLLECTION
    assert not link.readlink().is_absolute()
