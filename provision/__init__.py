"""Provision RSC-ready VMs on QEMU/KVM and judge their NICs."""
