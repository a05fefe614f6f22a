"""The running stream: partitions opened from the ledger, commit_workers that commit chunks, drain, watchdog."""
