"""The lab file's JSON Schema, from the models that read it."""

from __future__ import annotations

from typing import Any

from provision.spec import LabFile


def lab_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. What only checks between values can tell is not in it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rscvm lab file, version 1",
        **LabFile.model_json_schema(),
    }
