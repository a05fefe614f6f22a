"""The objects shared by the recounts of all partitions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.kafka.reader import KafkaReader
from app.reconcile.stream.erasures import Deletion, Erasures
from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.report import ReconcileReport
from app.reconcile.stream.snapshot import Snapshot
from app.reconcile.stream.validation import Rules


@dataclass(slots=True)
class RecountContext:
    """Stores, rules and findings, passed from partition to partition.

    `erasures` are the users whose rows have pseudonyms. `deletions` are those by retention, by topic and partition.
    `hidden_before_us` is set if orders were deleted in PostgreSQL and in Kafka: sums of slots that begin before it
    cannot be recounted. `everything` also reads records of aborted transactions. Kafka keeps only the newest record of
    each key in `compacting` topics. `settled` is the content of accepted events whose row is missing or has a wrong
    offset, by topic and identity. `next_offsets` is the ledger by topic and partition.
    """

    kafka: KafkaReader
    everything: KafkaReader
    snapshot: Snapshot
    expected_store: ExpectedStore
    report: ReconcileReport
    rules: Rules
    erasures: Erasures = field(default_factory=Erasures)
    deletions: Mapping[tuple[str, int], Deletion] = field(default_factory=dict)
    hidden_before_us: int | None = None
    compacting: set[str] = field(default_factory=set)
    settled: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    next_offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
