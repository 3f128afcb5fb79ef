# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.host_nics."""

DOCUMENTATION = r"""
module: host_nics
short_description: Set a host's physical NICs and bridges, all of it or nothing
version_added: 0.2.0
description:
  - Sets features and coalescing of physical NICs, and makes bridges, as C(rscvm apply) does. What was set is read back.
  - When a setting fails or does not take, what was done is taken back. Should the host be cut off meanwhile, it puts back by
    itself what was found.
  - What was found is noted on the host. O(state=absent) puts it back, as C(rscvm down) does.
  - The options are a lab file's entry of the host, so host_vars can be handed on as they are.
  - The host needs C(ip), C(ethtool) and C(flock).
options:
  state:
    description:
      - With V(present), NICs and bridges become as O(nics) and O(bridges) say.
      - With V(absent), all that this module has ever set on the host is put back as it was found, and the bridges that it made are
        removed. O(nics) and O(bridges) are ignored.
    type: str
    choices: [present, absent]
    default: present
  nics:
    description:
      - Settings of physical NICs by their names.
      - C(features) are on or off, by the names that C(ethtool -k) prints. C(coalesce) are numbers, on or off, by the names that
        C(ethtool -c) prints.
      - C(persist) is V(none) or V(link). With V(link) the settings are written to a C(.link) file of systemd's too, which keeps them
        over a reboot.
      - A setting that was set once and is no longer named stays, and a note says so. O(state=absent) puts it back.
    type: dict
    default: {}
  bridges:
    description:
      - Bridges that are to be there, by their names.
      - C(uplink) is a NIC of the host that is to be a port of the bridge, C(address) the bridge's own with its prefix, such as
        V(192.0.2.1/24), C(mtu) its MTU. All three may be left out.
      - A bridge that was there before is left alone. How it differs is a note.
      - A bridge that this module made loses the uplink, address or MTU that is no longer named. One that is no longer named itself
        stays until O(state=absent).
    type: dict
    default: {}
attributes:
  check_mode:
    details: Nothing is changed. The diff and the commands are those of the next run.
    support: full
  diff_mode:
    details: Setting by setting.
    support: full
  become:
    details: Setting needs root.
extends_documentation_fragment:
  - rscvm.kvm.attributes
  - rscvm.kvm.attributes.host
author:
  - rscvm's developers (!UNKNOWN)
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
        persist: link

- name: Set what the host's variables say
  rscvm.kvm.host_nics:
    nics: "{{ nics | default({}) }}"
    bridges: "{{ bridges | default({}) }}"

- name: Put back what was found
  rscvm.kvm.host_nics:
    state: absent
"""

RETURN = r"""
commands:
  description: The commands that changed something, or in check mode would be run.
  returned: success
  type: list
  elements: str
  sample: ["ethtool -K eth0 generic-receive-offload on"]
notes:
  description: What is otherwise than asked for and was left alone. They are shown as warnings.
  returned: success
  type: list
  elements: str
  sample: []
hint:
  description: What to do about the failure, where that is known.
  returned: failure
  type: str
  sample: "install it (Debian: util-linux)"
"""
