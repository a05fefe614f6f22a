"""The live tables: sliding over 60 s in steps of a second, one file each.

A table's key is the source partition, its value what the partition adds, so that a revoked partition takes its
share along in one step. A worker's tables hold what its own partitions add; figures of the whole shop are
sums over workers.
"""
