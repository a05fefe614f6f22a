"""Where Kafka's producers put a record of a key: Java's default, which this project's own use, too."""

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Returns the partition of a key among so many."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
