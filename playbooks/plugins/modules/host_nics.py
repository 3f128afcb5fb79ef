# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.host_nics."""

DOCUMENTATION = r"""
module: host_nics
short_description: Set a host's physical NICs and bridges, all of it or nothing
description:
  - Sets features and coalescing of physical NICs, and makes bridges, as C(rscvm apply) does; what was set is read back.
  - When a setting fails or does not take, what was done is taken back. Should the host be cut off meanwhile, it puts back
    itself what was found.
  - Runs on the control node, and works on the host by Ansible's own connection; nothing is installed there. The host needs
    C(ip), C(ethtool) and C(flock).
  - The options are a lab file's entry of the host, so host_vars can be handed on as they are.
options:
  nics:
    description:
      - Settings of physical NICs by their names. C(features) and C(coalesce) as C(ethtool -k) and C(ethtool -c) print them.
      - C(persist=link) writes a C(.link) file of systemd's, too.
    type: dict
    default: {}
  bridges:
    description: Bridges that are to be there, by their names, with C(uplink) where a NIC of the host's is a port of it.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Nothing is changed; the diff and the commands are those of the next run.
    support: full
  diff_mode:
    description: What becomes otherwise, setting by setting.
    support: full
  become:
    description: Setting needs root.
    support: full
author:
  - rscvm's developers (@rscvm)
"""

EXAMPLES = r"""
- name: Let the NIC gather frames
  rscvm.kvm.host_nics:
    nics:
      eth0:
        features:
          generic-receive-offload: true
        coalesce:
          rx-usecs: 50

- name: Set what the host's variables say
  rscvm.kvm.host_nics:
    nics: "{{ nics | default({}) }}"
    bridges: "{{ bridges | default({}) }}"
"""

RETURN = r"""
commands:
  description: The commands that changed something, or with C(--check) would.
  returned: success
  type: list
  elements: str
  sample: ["ethtool -K eth0 generic-receive-offload on"]
notes:
  description: What is worth knowing, such as settings that the driver did not take.
  returned: success
  type: list
  elements: str
  sample: []
hint:
  description: What to do about a failure.
  returned: failure
  type: str
  sample: "install it (Debian: util-linux)"
"""
