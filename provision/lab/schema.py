"""The lab file's JSON Schema, from the models that read it."""

from __future__ import annotations

from typing import Any

from provision.lab.spec import LabFile


def lab_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. What only checks between values can tell is not in it."""
    schema = {
        **LabFile.model_json_schema(),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rscvm lab file, version 1",
    }
    _tighten(schema)
    return schema


def _tighten(part: Any) -> None:
    """Keys that match no pattern are wrong, and a blank that `load` fills in is no default to offer."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            part["additionalProperties"] = False
        if part.get("default") == "" and "pattern" in part:
            del part["default"]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _tighten(inner)
