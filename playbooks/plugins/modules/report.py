# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.report."""

DOCUMENTATION = r"""
module: report
short_description: Write one report of what was found on many hosts
version_added: 0.2.0
description:
  - Judges the evidence that M(rscvm.kvm.check_info) has saved of each host, and writes C(report.json) (schema rscvm/check/1,
    of all hosts) and C(report.html) on the control node.
  - Hosts that failed or could not be reached are in both, with what became of them.
options:
  dest:
    description:
      - The directory of the report, on the control node. It is made where it is missing.
      - A report that is there is replaced.
    type: path
    required: true
  checked:
    description:
      - What M(rscvm.kvm.check_info) returned, by the inventory's names of the hosts, also of those that failed.
      - Of the others its O(rscvm.kvm.check_info#module:save) must have been given.
    type: dict
    required: true
attributes:
  check_mode:
    details: The files are written in any mode. They are what was asked for, and no host is changed.
    support: full
  diff_mode:
    details: A report is new each time.
    support: none
extends_documentation_fragment:
  - rscvm.kvm.attributes
requirements:
  - rscvm, in the Python that runs Ansible on the control node
notes:
  - No host is connected to.
seealso:
  - module: rscvm.kvm.check_info
author:
  - rscvm's developers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Write the report of all hosts
  rscvm.kvm.report:
    dest: /var/tmp/audit
    checked: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'rscvm_check'))) }}"
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
json:
  description: The path of the JSON document.
  returned: success
  type: str
  sample: /var/tmp/audit/report.json
html:
  description: The path of the page.
  returned: success
  type: str
  sample: /var/tmp/audit/report.html
summary:
  description: Verdicts and causes by their number.
  returned: success
  type: dict
  sample: {"ready": 1, "not-ready": 0, "unknown": 0, "causes": {}}
sentences:
  description: A sentence for each host on which nothing was found, or that failed, one for all, and where the page is.
  returned: success
  type: list
  elements: str
  sample: ["1 host, 2 NICs: 2 ready", "/var/tmp/audit/report.html"]
hint:
  description: What to do about the failure, where that is known.
  returned: failure
  type: str
  sample: ""
"""
