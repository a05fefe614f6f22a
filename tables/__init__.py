"""The live tables: sliding windows of 60 s in steps of a second, one file each.

A table's key is the source partition, its value the partition's share, so that revoking a partition removes its
share in one step. A worker's tables hold the shares of its own partitions; figures of the whole shop are
sums over workers.
"""
