"""The laboratory's orders: two weeks of the generator's traffic with attacks, as the worker would accept them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zlib import crc32

from app.events.decoding import Decoder, TimeLimits
from app.events.topics.transactions import TOPIC, TransactionRow
from app.generator.attacks_truth import Truth
from app.generator.jobs import backfill_job
from app.settings import GeneratorSettings, Settings
from app.topics import TRANSACTIONS

DAYS: Final = 14
PARTITIONS: Final = 3
_END: Final = datetime(2026, 6, 15, tzinfo=UTC)


@dataclass(slots=True)
class _KafkaRecord:
    key: bytes | None
    value: bytes | None
    timestamp: int
    offset: int
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(slots=True)
class Partition:
    """Accepted orders in offset order, and their times in microseconds."""

    rows: list[TransactionRow] = field(default_factory=list)
    timestamps_us: list[int] = field(default_factory=list)


@dataclass(slots=True)
class LabOrders:
    """Orders by partition, and the truth of the injected ones by id; all others are legitimate."""

    partitions: list[Partition]
    truth: dict[str, Truth]


def lab_settings(seed: int, orders: int, users: int) -> Settings:
    """Returns settings of orders alone; a burst is an attack here, so the generator's own bursts are left out."""
    changed = {
        "seed": seed,
        "users": users,
        "product_view_rate": 0,
        "cart_event_rate": 0,
        "system_metric_rate": 0,
        "orders_per_day": orders / DAYS,
        "rapid_share": 0,
    }
    return Settings({GeneratorSettings.variable(name): str(value) for name, value in changed.items()})


def make_orders(settings: Settings) -> LabOrders:
    """Generates the orders, decodes them as the worker does, and keeps the first of each id."""
    truth: dict[str, Truth] = {}
    end_us = int(_END.timestamp()) * 1_000_000
    job = backfill_job(
        settings,
        timedelta(days=DAYS),
        end_us,
        record_now=False,
        on_injected=lambda order, _, injected: truth.update({order: injected}),
    )
    records: defaultdict[int, list[_KafkaRecord]] = defaultdict(list)
    for record in job.source.records(end_us, 0, None):
        if record.topic == TRANSACTIONS:
            mine = records[crc32(record.key) % PARTITIONS]
            mine.append(_KafkaRecord(record.key, record.value, record.at_us // 1000, len(mine)))
    decoder = Decoder(TOPIC, TimeLimits(settings.stream.future_tolerance_seconds * 1_000_000))
    seen: set[str] = set()
    partitions = [_accepted(decoder, records[number], seen) for number in range(PARTITIONS)]
    return LabOrders(partitions, truth)


def _accepted(decoder: Decoder[TransactionRow], records: list[_KafkaRecord], seen: set[str]) -> Partition:
    decoded, partition = decoder.decode(records), Partition()
    for row, timestamp_us in zip(decoded.rows, decoded.timestamps_us, strict=True):
        if row.transaction_id not in seen:
            seen.add(row.transaction_id)
            partition.rows.append(row)
            partition.timestamps_us.append(timestamp_us)
    return partition
