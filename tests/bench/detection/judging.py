"""Judges orders in memory by the worker's own judge: no server, the same verdicts."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from app.events.topics.transactions import TransactionRow
from app.fraud.judging import Judge
from app.fraud.measures import Orders
from app.fraud.rulebook import Rulebook
from app.fraud.verdicts import Verdict, is_allowing, reasons_of, verdicts_of
from tables.user_histories import PastOrder, UserHistories, UserHistory
from tables.velocity import PartitionVelocity
from tests.bench.detection.orders import Partition

_CHUNK = 1_000


def judge_partition(rulebook: Rulebook, partition: Partition) -> Iterator[tuple[TransactionRow, Verdict]]:
    """Yields the orders that raise an active rule, with their verdicts, in offset order."""
    judge, velocity, histories = Judge(rulebook), PartitionVelocity(), UserHistories()
    stored: defaultdict[str, list[PastOrder]] = defaultdict(list)
    counted: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for first in range(0, len(partition.rows), _CHUNK):
        rows = partition.rows[first : first + _CHUNK]
        times_us = partition.timestamps_us[first : first + _CHUNK]
        recent = [velocity.add(row.user_id, time_us) or 0 for row, time_us in zip(rows, times_us, strict=True)]
        orders = Orders(rows, rows, times_us, recent)
        for user_id, since_us in judge.needed(orders, histories).items():
            histories.put(user_id, UserHistory(since_us, (o for o in stored[user_id] if o.timestamp_us > since_us)))
        active = [one for one in judge.judge(orders, histories) if one.version.rule.state == "active"]
        reasons = reasons_of(rows, [one for one in active if not is_allowing(one)], counted)
        for place, verdict in verdicts_of(rulebook, reasons, filter(is_allowing, active)):
            yield rows[place], verdict
        for row, time_us in zip(rows, times_us, strict=True):
            stored[row.user_id].append(judge.past_order(row, time_us))
