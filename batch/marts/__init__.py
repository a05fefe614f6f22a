"""One file per mart: its columns and the pure function that computes it."""
