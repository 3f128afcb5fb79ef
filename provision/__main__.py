"""`python -m provision` is `rscvm`."""

from provision.cli import main

main()
