"""The models of how a guest itself is asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictInt, Tag

from provision.lab.model import Model
from provision.lab.scalars import Address, Path, Switch, Text

_WAYS = "must be agent, or one of ssh and winrm with its keys"


class AskSsh(Model):
    """How a guest is asked over SSH."""

    address: Address
    user: Text
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    identity: Path | None = None


class AskWinrm(Model):
    """How a guest is asked over WinRM; the password is only ever named."""

    address: Address
    user: Text
    password_env: Text
    tls: Switch = True


class AskBySsh(Model):
    """`- ssh: {…}`."""

    ssh: AskSsh


class AskByWinrm(Model):
    """`- winrm: {…}`."""

    winrm: AskWinrm


def _way(value: Any) -> str | None:
    """Which way to ask a guest this is; None where it is none."""
    ways = [
        way
        for way in ("ssh", "winrm")
        if hasattr(value, way) or (isinstance(value, dict) and [*value] == [way])
    ]
    return f"{ways[0]}()" if ways else "agent()" if value == "agent" else None


Ask = Annotated[
    Annotated[Literal["agent"], Tag("agent()")]
    | Annotated[AskBySsh, Tag("ssh()")]
    | Annotated[AskByWinrm, Tag("winrm()")],
    Discriminator(_way, custom_error_type="ask", custom_error_message=_WAYS),
]
