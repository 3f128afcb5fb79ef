# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.doctor_info."""

DOCUMENTATION = r"""
module: doctor_info
short_description: Look at what a host has of that which RSC needs
version_added: 0.2.0
description:
  - Looks at a host's devices, programs, QEMU, accelerators and libvirt, as C(rscvm doctor) does without a lab file.
  - Changes nothing. To time the accelerators, QEMU runs a boot sector for a moment, and the host keeps what was measured in
    C(/var/lib/rscvm/.accelerators.json).
  - What the host lacks is a finding and no failure. The module fails where the host cannot be asked.
options:
  uri:
    description: The host's libvirt, as seen there.
    type: str
    default: qemu:///system
attributes:
  check_mode:
    details: Nothing is changed in any mode.
    support: full
  diff_mode:
    details: There is nothing to tell.
    support: none
  become:
    details: Without root, what only root may open is found missing.
extends_documentation_fragment:
  - rscvm.kvm.attributes
  - rscvm.kvm.attributes.host
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look
  rscvm.kvm.doctor_info:
  register: looked

- name: Say what is missing
  ansible.builtin.debug:
    msg: "{{ looked.missing | map(attribute='seen') }}"
"""

RETURN = r"""
findings:
  description: Each thing that was looked at.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "vhost-net", "state": "good", "seen": "/dev/vhost-net opens", "fix": ""}]
  contains:
    name:
      description: What was looked at.
      type: str
    state:
      description: V(good), V(miss), or V(note) where it is worth knowing and nothing is missing.
      type: str
    seen:
      description: What was seen, in words.
      type: str
    fix:
      description: What to do about it, where that is known.
      type: str
missing:
  description: Those of RV(findings) whose state is V(miss).
  returned: success
  type: list
  elements: dict
  sample: []
hint:
  description: What to do about the failure, where that is known.
  returned: failure
  type: str
  sample: ""
"""
