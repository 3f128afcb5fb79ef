# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.check_info."""

DOCUMENTATION = r"""
module: check_info
short_description: Ask every QEMU of a host what keeps large segments from its guest
version_added: 0.2.0
description:
  - Judges every NIC of every QEMU that runs on a host, whoever started it, as C(rscvm check) does there.
  - Fails where no QEMU with a NIC is seen by somebody who is not root there, and so would not see others'.
  - Changes nothing. The host needs C(ip) and C(ethtool).
  - Domains are read by the host's C(virsh). QEMU's monitors are reached by the first that the host has of C(python3), C(perl)
    and C(socat).
options:
  uri:
    description: The host's libvirt, as seen there.
    type: str
    default: qemu:///system
  monitor:
    description:
      - Whether QEMU's monitors are asked what the guest's driver took. Libvirt marks a domain as tainted by that.
      - Where they are not, those rungs are unknown, and the TAP is judged alone.
    type: bool
    default: true
  observe:
    description:
      - Seconds for which the TAPs are watched, two at least, with a sample of their frames at the end.
      - With V(0) they are not.
    type: float
    default: 0.0
  save:
    description:
      - A directory of the control node for the evidence, as of C(rscvm check --save). M(rscvm.kvm.report) reads it.
      - It must be new, or empty and open to its owner alone. The directories above it are made where they are missing.
    type: path
    default: ""
attributes:
  check_mode:
    details: Nothing is changed in any mode.
    support: full
  diff_mode:
    details: There is nothing to tell.
    support: none
  become:
    details: Without root, other users' QEMUs and the system's libvirt are not seen whole.
extends_documentation_fragment:
  - rscvm.kvm.attributes
  - rscvm.kvm.attributes.host
seealso:
  - module: rscvm.kvm.report
  - module: rscvm.kvm.fix
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ask what runs here
  rscvm.kvm.check_info:
  register: checked

- name: Refuse where a guest receives in small frames
  ansible.builtin.assert:
    that: checked.report.summary['not-ready'] == 0
"""

RETURN = r"""
report:
  description: The document of C(rscvm check --json), schema rscvm/check/1. Its C(host) is the inventory's name.
  returned: success
  type: dict
  sample: {"schema": "rscvm/check/1", "checked": 0, "nics": [], "summary": {"ready": 0, "not-ready": 0, "unknown": 0, "causes": {}}}
evidence:
  description: Where the evidence is, as O(save) says.
  returned: success
  type: str
  sample: /var/tmp/audit/evidence/hv1
hint:
  description: What to do about the failure, where that is known.
  returned: failure
  type: str
  sample: "install it (Debian: libvirt-clients)"
"""
