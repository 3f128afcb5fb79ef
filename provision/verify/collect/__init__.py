"""Collects evidence: what machines, monitors, TAPs and guests say of a NIC."""
