"""One cold `rscvm render`, phase by phase: run as a program of its own, prints milliseconds as JSON.

Imports are made in the order in which the command makes them, so that each phase holds what the ones
before it have not loaded.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module

IMPORTS = {
    "import click and the command line": ("click", "provision.cli"),
    "import pydantic": ("pydantic",),
    "import provision.lab.spec: the models": ("provision.lab.spec",),
    "import ruamel.yaml": ("ruamel.yaml",),
    "import the rest of provision.lab.load": ("provision.lab.load",),
    "import jinja2": ("jinja2",),
    "import render and view": ("provision.render.machine", "provision.render.view"),
}


def measured(path: str, machine: str) -> dict[str, float]:
    """Milliseconds of each phase, by its name."""
    found: dict[str, float] = {}
    begun = time.perf_counter()

    def end(phase: str) -> None:
        nonlocal begun
        now = time.perf_counter()
        found[phase] = (now - begun) * 1000
        begun = now

    for phase, modules in IMPORTS.items():
        for module in modules:
            import_module(module)
        end(phase)
    import_module("provision.lab.spec").LabFile.model_rebuild()
    end("build the models' validator")
    lab = import_module("provision.lab.file").read_lab(path)
    end("read the lab file")
    view = import_module("provision.render.view").machine_view(lab, machine)
    end("machine_view")
    render = import_module("provision.render.machine")
    import_module("provision.runtime.templates").template("domain.xml.j2", escape=True, trim=False)
    end("the template, compiled before")
    render.domain_xml(view)
    end("print the template")
    return found


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - pathlib would be loaded ahead of its phase
    print(json.dumps(measured(sys.argv[1], sys.argv[2])))
