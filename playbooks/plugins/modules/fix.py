# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.fix."""

DOCUMENTATION = r"""
module: fix
short_description: Give back what a host took from its guests' TAPs
version_added: 0.2.0
description:
  - Judges every NIC of every QEMU that runs on a host, as M(rscvm.kvm.check_info) does, asks by C(ethtool -K) for what the host
    switched off at their TAPs, reads it back, and judges once more.
  - Touches nothing but those TAPs. What lies elsewhere (a domain's definition, a bridge's port, the guest) is told in RV(notes)
    where anybody has to do something about it.
  - What a guest keeps off stays off. That is a note and no failure.
  - A TAP's offloads last as long as the TAP. The next start of the machine makes a new one.
  - The host needs C(ip) and C(ethtool). Domains are read by its C(virsh), and QEMU's monitors are reached by the first that it has
    of C(python3), C(perl) and C(socat). Libvirt marks a domain as tainted by that.
options:
  uri:
    description: The host's libvirt, as seen there.
    type: str
    default: qemu:///system
  observe:
    description:
      - Seconds for which the TAPs are watched, two at least, each time that they are judged. With V(0) they are not.
      - A sender that gives all its packets one IP ID is only found so. Then tx-tcp-mangleid-segmentation is asked for.
    type: float
    default: 0.0
attributes:
  check_mode:
    details: Nothing is changed. Whose doing it is that something is off is told only by asking, so it may turn out to be the guest's.
    support: full
  diff_mode:
    details: Names each NIC, and the command that asks its TAP. Why it is asked is in RV(notes).
    support: full
  become:
    details: Asking a TAP needs root.
extends_documentation_fragment:
  - rscvm.kvm.attributes
  - rscvm.kvm.attributes.host
seealso:
  - module: rscvm.kvm.check_info
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ask each TAP for what it does not hand on
  rscvm.kvm.fix:
  register: fixed

- name: Say what somebody else has to do
  ansible.builtin.debug:
    var: fixed.notes
"""

RETURN = r"""
commands:
  description: The commands that changed something, or in check mode would be run.
  returned: success
  type: list
  elements: str
  sample: ["ethtool -K vnet0 tx-checksum-ip-generic on"]
notes:
  description:
    - Why each TAP was asked, what somebody else has to do, and what was asked for and did not take.
    - They are shown as warnings.
  returned: success
  type: list
  elements: str
  sample: []
report:
  description: How every NIC is afterwards, as M(rscvm.kvm.check_info) returns it. In check mode, how it is.
  returned: success
  type: dict
  sample: {"schema": "rscvm/check/1", "checked": 0, "nics": [], "summary": {"ready": 0, "not-ready": 0, "unknown": 0, "causes": {}}}
hint:
  description: What to do about the failure, where that is known.
  returned: failure
  type: str
  sample: "install it (Debian: ethtool)"
"""
