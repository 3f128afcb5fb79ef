"""One row a variant: offloads, profiles, NIC backends, guests, topologies, .link options, Windows' reasons."""
