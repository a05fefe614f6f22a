"""The running stream: partitions opened from the ledger, lanes that commit chunks, drain, watchdog."""
