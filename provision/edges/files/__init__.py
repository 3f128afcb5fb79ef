"""Files on the machine that rscvm runs on."""
