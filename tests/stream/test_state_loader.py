"""What a worker reads back when it opens partitions: all it must remember, and not the time they were quiet."""

from datetime import timedelta
from typing import Final

from app.domain.timestamps import EPOCH, MICROSECOND
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.ledger import Progress
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TOPICS
from app.stream.partition_loader import load_states, ranges_to_load
from app.topics import TRANSACTIONS
from tables.velocity import RECENT, PartitionVelocity
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database

NOW_US: Final = (NOON - EPOCH) // MICROSECOND
MINUTE_US: Final = 60_000_000
LONG_AGO: Final = NOON - timedelta(days=300)


def _progress(minutes_ago: int) -> Progress:
    watermark_us = NOW_US - minutes_ago * MINUTE_US
    return Progress(7, watermark_us, watermark_us - 2 * MINUTE_US)


def test_a_quiet_partition_has_a_short_span_of_its_own() -> None:
    ranges = ranges_to_load({0: _progress(0), 1: _progress(60 * 24 * 300), 2: _progress(1)}, NOW_US)
    assert [sorted(time_range.partitions) for time_range in ranges] == [[1], [0, 2]]
    quiet, busy = ranges
    assert quiet.upto_us - quiet.after_us == 2 * MINUTE_US
    assert busy.after_us <= NOW_US - 3 * MINUTE_US
    assert busy.upto_us == NOW_US


def test_spans_that_overlap_are_read_as_one() -> None:
    """Also where a time_range reaches to before the one that begins last."""
    old = {0: _progress(100), 1: _progress(101), 2: _progress(102), 3: _progress(110)}
    ranges = ranges_to_load(old, NOW_US)
    assert [time_range.partitions for time_range in ranges] == [[3], [2, 1, 0]]
    assert ranges[1].upto_us == NOW_US - 100 * MINUTE_US


def test_partitions_without_rows_are_not_read() -> None:
    assert ranges_to_load({0: Progress(5), 1: Progress(9, None, None)}, NOW_US) == []
    assert ranges_to_load({}, NOW_US) == []


async def test_quiet_and_busy_partitions_remember_what_they_did(database: Database) -> None:
    detector = AnomalyDetector(lambda: NOON)
    lived: list[dict[str, list[int]]] = []
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=detector)
        for partition, day in enumerate((LONG_AGO, NOON)):
            state = await sink.state(partition)
            for first in range(0, 60, 10):
                rows = [
                    order(
                        number,
                        transaction_id=f"{partition}-{number}",
                        user_id=f"u{number % 3}",
                        timestamp=day + timedelta(seconds=10 * number),
                    )
                    for number in range(first, first + 10)
                ]
                await sink.commit(work_of(rows, partition=partition), state)
            lived.append(_remembered(state))
        loaded = await load_states(connection, TRANSACTIONS, [0, 1], NOW_US + 30 * MINUTE_US)
    assert [_remembered(loaded[partition]) for partition in (0, 1)] == lived
    assert all(0 < sum(map(len, users.values())) < 60 for users in lived)


def _remembered(state: PartitionState) -> dict[str, list[int]]:
    assert state.sales is not None
    velocity = state.sales.rules[RECENT]
    assert isinstance(velocity, PartitionVelocity)
    return velocity.timestamps
