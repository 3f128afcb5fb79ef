"""What every model of a lab file is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and any key that is not in it is an error."""

    # Deferred: only the whole lab file's validator is ever used, and building each model's own takes time at every start.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)
