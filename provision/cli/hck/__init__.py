"""`rscvm hck`: what only machines for the HCK test have; one file a subcommand."""
