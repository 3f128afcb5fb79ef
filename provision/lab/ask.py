"""The models of how a guest itself is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StrictInt, Tag

from provision.lab.model import Model
from provision.lab.scalars import Address, AskTag, Path, Switch, Text, ask_tag


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


Ask = Annotated[
    Annotated[Literal["agent"], Tag("agent()")]
    | Annotated[AskBySsh, Tag("ssh()")]
    | Annotated[AskByWinrm, Tag("winrm()")],
    Discriminator(ask_tag, custom_error_type="ask", custom_error_message=AskTag),
]
