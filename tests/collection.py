"""The Ansible collection in `playbooks/`, as its files have it; needs no Ansible."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
COLLECTION = ROOT / "playbooks"
PLUGINS = COLLECTION / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
INVENTORIES = sorted(path.stem for path in (PLUGINS / "inventory").glob("*.py"))
PLAYBOOKS = sorted(path.stem for path in COLLECTION.glob("*.yml") if path.stem != "galaxy")
MINORS = range(16, 20)
"""Of ansible-core 2, those that are supported."""


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


def constant(path: Path, *names: str) -> Any:
    """What a file assigns to the first of these names that it knows, at its top or in a class."""
    for node in ast.walk(ast.parse(path.read_text())):
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if node_value := getattr(node, "value", None):
            for target in targets:
                if isinstance(target, ast.Name) and target.id in names:
                    return ast.literal_eval(node_value)
    raise AssertionError(f"{path} has none of {names}")


def documentation(kind: str, name: str) -> Any:
    return yaml(constant(PLUGINS / kind / f"{name}.py", "DOCUMENTATION"))
