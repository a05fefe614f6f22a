"""The stream worker: partitions with their states, commits of chunks, drain before a rebalance, watchdog."""
