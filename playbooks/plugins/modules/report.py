# Copyright rscvm's developers. Documentation alone: the action plugin of this name does the work, on the control node.
"""Documentation of rscvm.kvm.report."""

DOCUMENTATION = r"""
module: report
short_description: Write one report of what was found on many hosts
description:
  - Judges the evidence that M(rscvm.kvm.check_info) has saved of each host, and writes C(report.json) (schema rscvm/check/1,
    of all hosts) and C(report.html) on the control node.
  - Hosts that failed or could not be reached are in both.
options:
  dest:
    description: The directory of the report.
    type: path
    required: true
  checked:
    description: What M(rscvm.kvm.check_info) returned, by the inventory's names of the hosts, of each that failed, too.
    type: dict
    required: true
attributes:
  check_mode:
    description: The files are written in any mode; they are what was asked for, and no host is changed.
    support: full
  diff_mode:
    description: A report is new each time.
    support: none
author:
  - rscvm's developers (@rscvm)
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
  description: A sentence for each host that failed, and one for all that were judged.
  returned: success
  type: list
  elements: str
  sample: ["2 NICs: 2 ready"]
"""
