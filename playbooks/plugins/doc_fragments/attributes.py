"""What the modules have in common, for their documentation."""

from __future__ import annotations


class ModuleDocFragment:
    """rscvm.kvm.attributes."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action:
    description: An action plugin does the work, on the control node. Nothing is copied to the host, nor installed there.
    support: full
  async:
    description: Can be run with C(async).
    support: none
  check_mode:
    description: Can be run in check mode.
  diff_mode:
    description: Tells with C(--diff) what becomes otherwise.
  platform:
    description: The systems that the host may run.
    platforms: linux
    support: full
"""

    HOST = r"""
options: {}
attributes:
  become:
    description: Uses Ansible's C(become) on the host.
    support: full
  connection:
    description: Reaches the host by Ansible's own connection, which must be one that does pipelining, as ssh and local do.
    support: full
requirements:
  - rscvm, in the Python that runs Ansible on the control node
notes:
  - The host needs a POSIX shell and the usual small programs, and no Python but where it is named.
"""
