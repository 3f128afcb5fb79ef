"""A host reached over SSH, through paramiko and `ssh -G`."""
