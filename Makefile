# make demo   one real guest, from lab file to verdict and to what RSC is worth to it, in a network namespace of its own
# make check  linters, types and unit tests: the quick loop, about a minute; needs no root once all is installed
# make test   all that, and tests on real QEMU, libvirt, TAPs and a booted guest
# make test-lowest  the unit tests again with the lowest versions that pyproject.toml allows; `make test` does it once
# make fleet   Ansible's environments: rscvm with the oldest and the newest ansible-core; `make test` does it
# make sanity  `ansible-test sanity` on playbooks/, with the oldest and the newest ansible-core; SANITY='--test pylint' chooses
# make test-next  the tests on real parts again, on Debian 13's QEMU, libvirt and ethtool, in a root below build/next;
#             NEXT=tests/real/test_x.py chooses
# make soak   kills at random times, the whole host compared after each: SECONDS=3600, SEED=7 replays
# make bench  what it costs, as ratios against peers in the same run, into bench/RESULTS.md
# make mutants  which of 300 small changes to the product the unit tests notice, into build/mutants/RESULTS.md;
#             SEED=2 draws others, SAMPLE=50 fewer
# All install what is missing (Debian packages by apt-get, Python packages into .venv) and need root
# or sudo: TAPs, bridges and namespaces are made.

PYTHON ?= python3
BIN := .venv/bin
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# The tests start rscvm a thousand times: what Python compiles is kept, also where a container's image says otherwise.
export PYTHONDONTWRITEBYTECODE :=

BUILD_PACKAGES := python3-venv python3-dev gcc pkg-config libvirt-dev
RUN_PACKAGES := qemu-system-x86 qemu-utils ethtool iproute2 util-linux openssh-client iperf3
TEST_PACKAGES := libfaketime procps iputils-ping libvirt-daemon-system libvirt-clients libxml2-utils ovmf swtpm swtpm-tools shellcheck udev openssh-server sudo csh socat openvswitch-switch

BENCH_PACKAGES := virtinst
NEXT_PACKAGES := mmdebstrap

# Ansible's environments are this machine's, so what needs them is left out.
NEXT ?= tests/real --ignore-glob='*/test_playbooks_*' --ignore=tests/real/test_collection_tools.py
SEED ?= 1
SECONDS ?= 600
SAMPLE ?= 300
SANITY ?=

.PHONY: demo check environments test test-all test-lowest fleet sanity test-next soak bench bench-peers mutants guest host packages test-packages clean
.DELETE_ON_ERROR:

demo: .venv/.installed guest
	@$(ROOT) unshare --net --mount --pid --fork --mount-proc --kill-child sh -c ' \
	    ip link set lo up; \
	    mount -t tmpfs none /var/lib; \
	    $(BIN)/rscvm up examples/demo.yaml \
	        && $(BIN)/rscvm --quiet bench examples/demo.yaml demo --pairs 3 --seconds 2; status=$$?; \
	    $(BIN)/rscvm down examples/demo.yaml || status=$$?; \
	    exit $$status'

check: test-packages .venv/.installed
	$(BIN)/python -m pytest -n 4 --dist loadfile --ignore tests/real

# What comes from the package index is fetched side by side: most of that is waiting.
environments: .venv/.installed build/lowest-venv/.installed fleet

test:
	@$(MAKE) --no-print-directory --jobs 4 environments
	@$(MAKE) --no-print-directory test-all

test-all: check test-lowest fleet guest host
	$(ROOT) env $(if $(CI),CI=$(CI)) $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder tests/real

# Linters and types are of one version, constraints.txt's, and are left out here; so are the house rules and the longest of
# the tests, which is about our own bounds. Of what is drawn at random a fifth is enough: the whole is drawn once, above.
test-lowest: build/lowest-venv/.installed
	build/lowest-venv/bin/python -m pytest -n 4 --dist loadfile --ignore tests/real --ignore tests/test_linters.py \
	    --ignore tests/test_architecture.py --hypothesis-profile few \
	    --deselect tests/test_hostile_inputs.py::test_10000_hostile_inputs_end_in_no_traceback_and_below_512_mib

LOWEST := hypothesis jsonschema psrpcore pypsrp pytest pytest-xdist tree-sitter tree-sitter-powershell

build/lowest-venv/.installed: pyproject.toml constraints-lowest.txt | test-packages
	$(PYTHON) -m venv --clear build/lowest-venv
	build/lowest-venv/bin/pip install --quiet --constraint constraints-lowest.txt --editable . $(LOWEST)
	@touch $@

# Ansible has environments of its own: rscvm with the newest ansible-core that pyproject.toml allows, and with the oldest.
NEWEST := ansible-core==2.19.14 ansible-lint antsibull-changelog
OLDEST := ansible-core==2.16.0

fleet: build/fleet-venv/.installed build/fleet-oldest-venv/.installed

sanity: fleet
	tests/sanity.sh build/fleet-venv $(SANITY)
	tests/sanity.sh build/fleet-oldest-venv $(SANITY)

build/fleet-venv/.installed: pyproject.toml constraints-fleet.txt | test-packages
	$(PYTHON) -m venv --clear build/fleet-venv
	build/fleet-venv/bin/pip install --quiet --constraint constraints-fleet.txt --editable '.[fleet]' $(NEWEST)
	@touch $@

build/fleet-oldest-venv/.installed: pyproject.toml constraints-fleet.txt | test-packages
	$(PYTHON) -m venv --clear build/fleet-oldest-venv
	build/fleet-oldest-venv/bin/pip install --quiet --constraint constraints-fleet.txt --editable '.[fleet]' $(OLDEST)
	@touch $@

test-next: .venv/.installed guest host
	$(call install_packages,$(NEXT_PACKAGES))
	$(ROOT) env $(if $(CI),CI=$(CI)) PACKAGES='$(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES)' \
	    tests/next.sh build/next -n 2 --dist loadfile $(NEXT)

soak: test-packages .venv/.installed guest
	$(ROOT) $(BIN)/python -m tests.real.soak --seconds $(SECONDS) --seed $(SEED)

bench: test-packages .venv/.installed guest bench-peers
	$(call install_packages,$(BENCH_PACKAGES))
	$(ROOT) $(BIN)/python -m bench.run

# What rscvm is measured against has an environment of its own; rscvm is there, too, for Ansible's use of it.
bench-peers: build/bench-venv/.installed

build/bench-venv/.installed: pyproject.toml bench/constraints.txt | packages
	$(PYTHON) -m venv build/bench-venv
	build/bench-venv/bin/pip install --quiet --constraint bench/constraints.txt --editable '.[fleet]' pyinfra
	@touch $@

mutants: build/mutants-venv/.installed
	build/mutants-venv/bin/python -m tests.mutants.run --seed $(SEED) --sample $(SAMPLE)

build/mutants-venv/.installed: pyproject.toml constraints.txt tests/mutants/constraints.txt | test-packages
	$(PYTHON) -m venv build/mutants-venv
	build/mutants-venv/bin/pip install --quiet --constraint constraints.txt --constraint tests/mutants/constraints.txt \
	    --editable '.[dev]' cosmic-ray coverage
	@touch $@

guest: packages
	@$(PYTHON) guest/build.py -o build/guest

# For the tests only: a hypervisor host with a physical NIC.
host: packages
	@$(PYTHON) guest/build.py --kind host -o build/host

.venv/.installed: pyproject.toml constraints.txt | packages
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Asks apt-get only for what is missing, so that a second run needs neither network nor root.
define install_packages
	@missing=; for package in $(1); do \
	    dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] || { echo "installing:$$missing" >&2; \
	    $(ROOT) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(ROOT) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
endef

packages:
	$(call install_packages,$(BUILD_PACKAGES) $(RUN_PACKAGES))

test-packages: packages
	$(call install_packages,$(TEST_PACKAGES))

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
