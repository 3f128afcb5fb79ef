"""The same six settings by pyinfra: a fact of each NIC, an operation a setting, and a read-back at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyinfra import host
from pyinfra.api import FactBase, OperationError, StringCommand, operation
from pyinfra.operations import python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Features(FactBase[dict[str, bool]]):
    """Whether each feature of a NIC is on."""

    def command(self, nic: str) -> StringCommand:
        """What is asked."""
        return StringCommand("ethtool", "--json", "-k", nic)

    def process(self, output: Iterable[str]) -> dict[str, bool]:
        """The answer."""
        (features,) = json.loads("\n".join(output))
        return {name: feature["active"] for name, feature in features.items() if name != "ifname"}


@operation()
def feature(nic: str, key: str, *, on: bool) -> Iterator[StringCommand]:
    """Set a feature that is otherwise."""
    if host.get_fact(Features, nic)[key] is on:
        host.noop(f"{nic}'s {key} is as it should be")
    else:
        yield StringCommand("ethtool", "-K", nic, key, "on" if on else "off")


def read_back() -> None:
    """Read both NICs anew."""
    for nic, features in host.data.nics.items():
        found = host.get_fact(Features, nic)
        if wrong := [name for name, on in features.items() if found[name] is not on]:
            raise OperationError(f"{nic}: did not take: {wrong}")


for nic, features in host.data.nics.items():
    for key, on in features.items():
        feature(name=f"{nic}: {key}", nic=nic, key=key, on=on)
python.call(name="Read back", function=read_back)
