"""Inventory of the hosts that a lab file names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab
short_description: The hosts of rscvm's lab file
version_added: 0.2.0
description:
  - Gives each host of a lab file with what reaches it, and with its entry there (C(nics), C(bridges), C(libvirt)) as variables.
  - The file is one of two lines that names the lab file, and is called C(*.rscvm.yml) or C(*.rscvm.yaml).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [rscvm.kvm.lab]
  lab:
    description: The lab file, from this file's directory.
    type: str
    required: true
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
# hosts.rscvm.yml
plugin: rscvm.kvm.lab
lab: lab.yaml
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

    from provision.lab.spec import Host


class InventoryModule(BaseInventoryPlugin):
    """rscvm.kvm.lab."""

    NAME = "rscvm.kvm.lab"

    def verify_file(self, path: str) -> bool:
        """Whether the file is meant for us."""
        return bool(super().verify_file(path)) and path.endswith((".rscvm.yml", ".rscvm.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the hosts."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        lab = Path(path).parent / self.get_option("lab")
        try:
            hosts = rscvm.load_lab(lab).hosts
        except rscvm.RscvmError as error:
            raise AnsibleParserError(str(error)) from error
        for name, host in hosts.items():
            self.inventory.add_host(name)
            for key, value in _variables(host).items():
                self.inventory.set_variable(name, key, value)


def _variables(host: Host) -> dict[str, Any]:
    """What reaches a host, in Ansible's words, and its entry in the lab file."""
    entry = host.model_dump(mode="json", exclude_unset=True, include={"nics", "bridges", "libvirt"})
    if not host.address:
        return {"ansible_connection": "local", "rscvm_become": host.sudo, **entry}
    known = host.known_hosts and f'UserKnownHostsFile="{host.known_hosts}"'
    ways = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": host.identity,
        "ansible_ssh_common_args": known and shlex.join(("-o", known)),
        "rscvm_become": host.sudo,
    }
    return {**{key: value for key, value in ways.items() if value is not None}, **entry}
