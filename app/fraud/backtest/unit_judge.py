"""Judges the stored orders of a unit once more, in offset order, each by the edition of its offset."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple

import asyncpg

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.judged_ranges import judges_of
from app.fraud.backtest.question import Prepared
from app.fraud.backtest.stored_orders import Unit, read_orders
from app.fraud.judging import Judge, Raised
from app.fraud.measures import Orders
from app.fraud.rulebook import needs_history
from app.fraud.verdicts import is_allowing, is_repetition
from tables.user_histories import PastOrder, UserHistories, UserHistory
from tables.velocity import PartitionVelocity

#: Below every time: a history that begins here is complete.
_EVER_US: Final = -(2**62)
_BEYOND: Final = 2**63


class Finding(NamedTuple):
    """An order that raised an asked rule; `suppressed` within the rule's cool-down after one that counted."""

    row: TransactionRow
    partition: int
    raised: Raised
    suppressed: bool


class Judged(NamedTuple):
    """So many orders were read, and these were found among those of the range."""

    orders: int
    findings: list[Finding]


class CompleteHistories(UserHistories):
    """Remembers every order it was given: the replay reads no history again."""

    def get(self, user_id: str) -> UserHistory:
        """Returns the user's history, an empty one for a user seen first."""
        history = self._histories.get(user_id)
        if history is None:
            history = self._histories[user_id] = UserHistory(_EVER_US)
        return history

    def get_all(self, user_ids: Iterable[str]) -> Sequence[UserHistory]:
        """Returns the history of each user."""
        return [self.get(user_id) for user_id in user_ids]

    def add(self, history: UserHistory, order: PastOrder) -> None:
        """Adds an accepted order to a history."""
        history.add(order)

    def settle(self, lookback_us: int, totals_us: int = 0) -> None:
        """Forgets nothing: an order that comes late may look at any of them."""


async def replay(
    connection: asyncpg.Connection, prepared: Prepared, unit: Unit, archived: Sequence[TransactionRow] = ()
) -> AsyncGenerator[Judged, None]:
    """Yields what the unit's orders raise, piece by piece; needs a transaction of one snapshot.

    `archived` are the unit's orders that PostgreSQL has no more, in offset order.
    """
    replaying = _Replaying(prepared, unit.partition)
    async with aclosing(judges_of(connection, prepared, unit.partition)) as judges:
        _, judge = await anext(judges)
        following = await anext(judges, None)
        async for rows in _merged(read_orders(connection, prepared, unit), archived):
            findings: list[Finding] = []
            begin = 0
            while begin < len(rows):
                limit = _BEYOND if following is None else following[0]
                end = bisect_left(rows, limit, begin, key=_offset_of)
                findings += replaying.judge(judge, rows[begin:end])
                if end < len(rows) and following is not None:
                    judge = following[1]
                    following = await anext(judges, None)
                begin = end
            yield Judged(len(rows), findings)


class _Replaying:
    """What is remembered between pieces."""

    def __init__(self, prepared: Prepared, partition: int) -> None:
        self._partition = partition
        self._start_us, self._end_us = prepared.range_us
        self._histories = CompleteHistories()
        self._histories.remember(prepared.traits)
        # The rules of another edition may need what those of this one do not.
        self._remembers = any(map(needs_history, prepared.rules))
        self._minutes = PartitionVelocity() if prepared.counts_minutes else None
        #: The times of anomalies that counted, by user and rule.
        self._counted: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)

    def judge(self, judge: Judge, rows: Sequence[TransactionRow]) -> list[Finding]:
        """Judges the orders of the range; the others are only remembered."""
        times = [(row.timestamp - EPOCH) // MICROSECOND for row in rows]
        recent: list[int] = []
        if self._minutes is not None:
            counts = (self._minutes.add(row.user_id, time) for row, time in zip(rows, times, strict=True))
            recent = [count or 0 for count in counts]
        start_us, end_us = self._start_us, self._end_us
        findings: list[Finding] = []
        for asked, places in groupby(range(len(rows)), key=lambda place: start_us <= times[place] < end_us):
            part = list(places)
            span = slice(part[0], part[-1] + 1)
            if asked:
                findings += self._judge(judge, Orders(rows[span], rows[span], times[span], recent[span]))
            if self._remembers and not (asked and judge.uses_histories):
                for row, time in zip(rows[span], times[span], strict=True):
                    self._histories.add(self._histories.get(row.user_id), judge.past_order(row, time))
        return findings

    def _judge(self, judge: Judge, orders: Orders) -> list[Finding]:
        raised = sorted(judge.judge(orders, self._histories), key=lambda one: one.place)
        return [self._finding(orders.rows[one.place], one) for one in raised]

    def _finding(self, row: TransactionRow, raised: Raised) -> Finding:
        rule = raised.version.rule
        cools = bool(rule.cooldown_minutes) and not is_allowing(raised)
        return Finding(row, self._partition, raised, cools and is_repetition(row, rule, self._counted))


async def _merged(
    stored: AsyncIterator[list[TransactionRow]], archived: Sequence[TransactionRow]
) -> AsyncIterator[list[TransactionRow]]:
    """Yields the pieces with the archived orders where their offsets are."""
    place = 0
    async for rows in stored:
        begin = place
        while place < len(archived) and archived[place].source_offset < rows[-1].source_offset:
            place += 1
        yield sorted((*archived[begin:place], *rows), key=_offset_of) if place > begin else rows
    if place < len(archived):
        yield list(archived[place:])


def _offset_of(row: TransactionRow) -> int:
    return row.source_offset
