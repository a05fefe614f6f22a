"""Days of sums compared with their rows, and set right beside a running stream.

The comparison takes no lock. A repair locks one partition of one hour at a time, for as long as that hour is added up:
the lock is the partition's row of the ledger, which every chunk takes anyway, so a worker pays nothing while nobody
repairs and waits for at most one such hour while somebody does.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from app.errors import GlobalMartError
from app.ops.lock import exclusive_owner, lock_partition, midnight, retention_floor
from app.ops.repair.rollup_checks import DAY, HOUR, WEEK, Difference, SumTable, sum_tables
from app.settings import Settings
from app.topics import TRANSACTIONS

Report = Callable[[str], None]


class RepairError(GlobalMartError):
    """The sums of a range cannot be told from its rows."""


@dataclass(slots=True)
class Repair:
    """Differences before and after, and the longest a partition was kept waiting."""

    first: date
    last: date
    before: list[Difference] = field(default_factory=list)
    after: list[Difference] = field(default_factory=list)
    repaired_hours: int = 0
    longest_lock_seconds: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether every sum is what its rows add up to, now."""
        return not self.after

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "agrees": self.agrees,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "before": [difference.plain for difference in self.before],
            "after": [difference.plain for difference in self.after],
            "repaired_hours": self.repaired_hours,
            "longest_lock_seconds": round(self.longest_lock_seconds, 4),
        }


async def repair(
    settings: Settings, first: date, last: date, *, apply: bool, report: Report = lambda _: None
) -> Repair:
    """Compare the sums of the UTC days first to last with their rows; set them right if `apply`.

    Raises RepairError where retention has deleted rows of these days.
    """
    pane = timedelta(seconds=settings.stream.window_step_seconds)
    async with exclusive_owner(settings.postgres) as connection:
        floor = await _refuse_deleted(connection, first)
        work = _Work(connection, sum_tables(pane), Repair(first, last), floor)
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            report(day.isoformat())
            await work.day(midnight(day), apply=apply)
        for day in await work.weeks(midnight(first), midnight(last) + DAY, apply=apply):
            report(f"its week is left as it is: {day:%Y-%m-%d} differs from its rows, repair it, too")
        return work.done


async def _refuse_deleted(connection: asyncpg.Connection, first: date) -> datetime | None:
    """The instant from which rows are all there, None if none was deleted."""
    floor = await retention_floor(connection, TRANSACTIONS)
    if floor is not None and midnight(first) < floor:
        raise RepairError(
            f"rows before {floor:%Y-%m-%d} were deleted after their retention, their sums are all there is; "
            f"repair from {floor:%Y-%m-%d} on"
        )
    return floor


@dataclass(frozen=True, slots=True)
class _Work:
    connection: asyncpg.Connection
    tables: tuple[SumTable, ...]
    done: Repair
    floor: datetime | None

    async def day(self, start: datetime, *, apply: bool) -> None:
        """Compare one day, and repair what differs."""
        before = await self._compare(start)
        self.done.before.extend(before)
        if not (apply and before):
            self.done.after.extend(before)
            return
        fine = {table.table for table in self.tables if not table.finer}
        hours = {(d.partition, _hour_of(d.start)) for d in before if d.table in fine}
        for partition, hour in sorted(hours):
            await self._hour(partition, hour)
        for partition in sorted({difference.partition for difference in before}):
            await self._from_finer(partition, DAY, start, start + DAY)
        self.done.after.extend(await self._compare(start))

    async def weeks(self, start: datetime, end: datetime, *, apply: bool) -> list[datetime]:
        """Compare the weeks that touch [start, end) with their daily sums, and set right what differs.

        Their other days are looked at, too: if one differs from its rows, no week is taken from it. These are answered.
        """
        monday = start - timedelta(days=start.weekday())
        before = await self._compare_weeks(monday, end)
        self.done.before.extend(before)
        if not (apply and before):
            self.done.after.extend(before)
            return []
        days = {d.start + DAY * number for d in before for number in range(7)}
        beside = {day for day in days if not start <= day < end and day >= (self.floor or day)}
        wrong = [d for day in sorted(beside) for d in await self._compare(day)]
        if wrong:
            self.done.after.extend(before + wrong)
            return sorted({d.start.replace(hour=0, minute=0, second=0) for d in wrong})
        for partition, week in sorted({(d.partition, d.start) for d in before}):
            await self._from_finer(partition, WEEK, week, week + WEEK)
        self.done.after.extend(await self._compare_weeks(monday, end))
        return []

    async def _compare(self, start: datetime) -> list[Difference]:
        """All differences of a day in one snapshot; daily sums follow from hourly ones that are right."""
        end = start + DAY
        found: list[Difference] = []
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            for table in self.tables:
                if not table.finer:
                    found += await table.differences(self.connection, start, end)
            hourly_is_right = not found
            for table in self._of(DAY):
                found += await table.differences(self.connection, start, end, from_finer=hourly_is_right)
        return found

    async def _compare_weeks(self, start: datetime, end: datetime) -> list[Difference]:
        found: list[Difference] = []
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            for table in self._of(WEEK):
                found += await table.differences(self.connection, start, end, from_finer=True)
        return found

    def _of(self, width: timedelta) -> list[SumTable]:
        """The tables whose sums of this width are taken from finer ones."""
        return [table for table in self.tables if table.finer and table.width == width]

    async def _hour(self, partition: int, hour: datetime) -> None:
        async with self.connection.transaction():
            await lock_partition(self.connection, TRANSACTIONS, partition)
            locked = time.monotonic()
            for table in self.tables:
                if not table.finer:
                    wrong = await table.differences(self.connection, hour, hour + HOUR, partition)
                    await table.correct(self.connection, wrong)
        self._note(locked)
        self.done.repaired_hours += 1

    async def _from_finer(self, partition: int, width: timedelta, start: datetime, end: datetime) -> None:
        """Daily sums are taken from the hourly ones, weekly from the daily, which were just set right."""
        async with self.connection.transaction():
            await lock_partition(self.connection, TRANSACTIONS, partition)
            locked = time.monotonic()
            for table in self._of(width):
                wrong = await table.differences(self.connection, start, end, partition, from_finer=True)
                await table.correct(self.connection, wrong)
        self._note(locked)

    def _note(self, locked: float) -> None:
        held = time.monotonic() - locked
        self.done.longest_lock_seconds = max(self.done.longest_lock_seconds, held)


def _hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)
