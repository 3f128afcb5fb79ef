#!/bin/sh
# tests/sanity.sh VENV [OPTION...]: runs VENV's `ansible-test sanity` on the collection as `ansible-galaxy` builds it.
#
# Its environments are kept in build/sanity. The collection lies in no Git repository meanwhile: in ours, ansible-test
# would look at nothing that Git does not know.
set -eu
cd "$(dirname "$0")/.."

venv=$(realpath "$1")
shift
root=$(mktemp -d)
trap 'rm -rf -- "$root"' EXIT
export HOME="$PWD/build/sanity" PATH="$venv/bin:$PATH" LC_ALL=C.UTF-8

# What brings pip into its environments, ansible-test would download; Python has it.
mkdir -p "$HOME/.ansible/test/cache"
for release in 23_1_2 24_2; do
    printf 'import ensurepip\nensurepip.bootstrap()\n' >"$HOME/.ansible/test/cache/get_pip_$release.py"
done

there=$root/ansible_collections/rscvm/kvm
mkdir -p "$there"
ansible-galaxy collection build --output-path "$root" playbooks >/dev/null
tar -xzf "$root"/rscvm-kvm-*.tar.gz -C "$there"
cd "$there"
ansible-test sanity --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$@"
