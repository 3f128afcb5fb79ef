# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.check_info."""

DOCUMENTATION = r"""
module: check_info
short_description: Ask every QEMU of a host what keeps large segments from its guest
description:
  - Judges every NIC of every QEMU that runs on a host, whoever started it, as C(rscvm check) does there.
  - Runs on the control node, and asks the host by Ansible's own connection; nothing is installed there, and nothing changed.
  - Domains are read by the host's C(virsh), other QEMUs by their monitors, for which the host needs Python, Perl or socat.
options:
  uri:
    description: The host's libvirt, as seen there.
    type: str
    default: qemu:///system
  monitor:
    description:
      - Whether QEMU's monitors are asked what the guest's driver took; libvirt marks a domain as tainted by that.
      - Without, those rungs are unknown, and the TAP is judged alone.
    type: bool
    default: true
  observe:
    description: Seconds for which the TAPs are watched, two at least, with a sample of their frames at the end.
    type: float
    default: 0.0
  save:
    description: A new directory of the control node for the evidence, as of C(rscvm check --save); the report is made of it.
    type: path
    default: ""
attributes:
  check_mode:
    description: Nothing is changed in any mode.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
  become:
    description: Other users' QEMUs and system's libvirt are seen by root.
    support: full
author:
  - rscvm's developers (@rscvm)
"""

EXAMPLES = r"""
- name: Ask what runs here
  rscvm.kvm.check_info:
  register: checked

- name: Refuse where a Windows receives in small frames
  ansible.builtin.assert:
    that: checked.report.summary['not-ready'] == 0
"""

RETURN = r"""
report:
  description: The document of C(rscvm check --json), schema rscvm/check/1, with the inventory's name as C(host).
  returned: success
  type: dict
  sample: {"schema": "rscvm/check/1", "checked": 1, "nics": [], "summary": {"ready": 1, "not-ready": 0, "unknown": 0, "causes": {}}}
evidence:
  description: Where the evidence is, as O(save) says.
  returned: success
  type: str
  sample: /var/tmp/audit/evidence/hv1
hint:
  description: What to do about a failure.
  returned: failure
  type: str
  sample: "install it (Debian: libvirt-clients)"
"""
