"""What plugins need of rscvm; where Ansible's Python has no rscvm, they can be loaded all the same, and say so when they are used."""

from __future__ import annotations

import sys

from ansible.errors import AnsibleError

try:
    from provision.api import check_domains, document, load_lab
    from provision.api.hosts import check_host, examine_host, fix_taps, set_host, take_back_host, write_report
    from provision.edges.relayed.pump import Executed
    from provision.runtime.errors import RequestError, RscvmError
    from provision.verbs.check import Look
except ImportError as lacking:
    _WHY = f"rscvm is not installed where Ansible runs: `{sys.executable} -m pip install '.[fleet]'` in its checkout ({lacking})"

    def __getattr__(name: str) -> object:
        """Nothing of it is there.

        :raise AnsibleError: for whatever rscvm would have.
        """
        if name.startswith("__"):  # Python's own questions
            raise AttributeError(name)
        raise AnsibleError(_WHY)


__all__ = [
    "Executed",
    "Look",
    "RequestError",
    "RscvmError",
    "check_domains",
    "check_host",
    "document",
    "examine_host",
    "fix_taps",
    "load_lab",
    "set_host",
    "take_back_host",
    "write_report",
]
