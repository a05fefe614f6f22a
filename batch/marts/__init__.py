"""One file per mart: its columns and the pure function that makes it."""
