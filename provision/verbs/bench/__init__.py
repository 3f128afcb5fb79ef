"""`bench`: what RSC is worth to a NIC of a machine that runs, switched at its TAP and put back."""
