"""A machine's UUID, and the digest that tells whether its settings have changed."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.lab.spec import Lab, Machine


_UUIDS = uuid.UUID("3f0e0c86-6a7b-5e0d-9a52-7f2c1d7b8a11")


def machine_uuid(lab: Lab, name: str) -> str:
    """The UUID of a machine: the same for the same state directory, lab and machine."""
    return str(uuid.uuid5(_UUIDS, f"{lab.state_dir}\0{lab.name}\0{name}"))


def spec_as_noted(machine: Machine) -> dict[str, Any]:
    """A machine's settings as the journal keeps them: what is at its default is left out, and what is set while it runs."""
    noted: dict[str, Any] = machine.model_dump(
        mode="json", exclude_defaults=True, exclude={"nics": {"__all__": {"mangleid"}}}
    )
    # Memory as a lab file says it, so that it can be read back.
    return {**noted, "memory": f"{machine.memory >> 10}KiB"}


def noted_spec(machine: Machine, noted: Mapping[str, Any] | None) -> Machine | None:
    """A machine as the journal has it; None where that has none, or one that this version takes for none (of more vCPUs, say)."""
    try:
        return None if noted is None else type(machine).model_validate(noted)
    except ValidationError:
        return None


def spec_digest(machine: Machine) -> str:
    """What tells, in a domain's metadata, whether the lab file has changed since."""
    text = json.dumps(spec_as_noted(machine), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
