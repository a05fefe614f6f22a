"""Compares rollups of some days with their rows and corrects them while the stream runs.

The comparison takes no lock. A repair locks one partition at a time, for as long as one hour is summed up. The lock is
the partition's row of the ledger, which every chunk locks anyway: a worker pays nothing without a repair, and waits for
at most one such hour during a repair.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from app.domain.timestamps import midnight
from app.errors import GlobalMartError
from app.ops.lock import exclusive_owner, lock_partition, retention_floor
from app.ops.repair.rollup_checks import DAY, HOUR, WEEK, Difference, SumTable, sum_tables
from app.settings import Settings
from app.topics import TRANSACTIONS

Report = Callable[[str], None]


class RepairError(GlobalMartError):
    """The sums of a range cannot be computed from its rows."""


@dataclass(slots=True)
class Repair:
    """Differences before and after, and the longest time that a partition was locked."""

    first: date
    last: date
    before: list[Difference] = field(default_factory=list)
    after: list[Difference] = field(default_factory=list)
    repaired_hours: int = 0
    longest_lock_seconds: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether every sum now equals that of its rows."""
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
    """Compares the sums of the UTC days first to last with their rows; corrects them if `apply`.

    Raises RepairError if retention has deleted rows of these days.
    """
    pane = timedelta(seconds=settings.stream.window_step_seconds)
    async with exclusive_owner(settings.postgres) as connection:
        floor = await _require_rows(connection, first)
        repairer = _Repairer(connection, sum_tables(pane), Repair(first, last), floor)
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            report(day.isoformat())
            await repairer.day(midnight(day), apply=apply)
        for day in await repairer.weeks(midnight(first), midnight(last) + DAY, apply=apply):
            report(f"its week was not corrected: {day:%Y-%m-%d} differs from its rows, repair it as well")
        return repairer.done


async def _require_rows(connection: asyncpg.Connection, first: date) -> datetime | None:
    """Returns the time since which no row was deleted, None if none was; raises RepairError for an earlier day."""
    floor = await retention_floor(connection, TRANSACTIONS)
    if floor is not None and midnight(first) < floor:
        raise RepairError(
            f"rows before {floor:%Y-%m-%d} were deleted after their retention, only their sums exist; "
            f"repair from {floor:%Y-%m-%d} on"
        )
    return floor


@dataclass(frozen=True, slots=True)
class _Repairer:
    connection: asyncpg.Connection
    tables: tuple[SumTable, ...]
    done: Repair
    floor: datetime | None

    async def day(self, start: datetime, *, apply: bool) -> None:
        """Compares one day and repairs the differences."""
        before = await self._compare(start)
        self.done.before.extend(before)
        if not (apply and before):
            self.done.after.extend(before)
            return
        fine = {table.table for table in self.tables if not table.finer}
        hours = {(d.partition, d.start.replace(minute=0, second=0, microsecond=0)) for d in before if d.table in fine}
        for partition, hour in sorted(hours):
            await self._hour(partition, hour)
        for partition in sorted({difference.partition for difference in before}):
            await self._from_finer(partition, DAY, start, start + DAY)
        self.done.after.extend(await self._compare(start))

    async def weeks(self, start: datetime, end: datetime, *, apply: bool) -> list[datetime]:
        """Compares the weeks that overlap [start, end) with their daily sums and corrects the differences.

        Their other days are compared as well: if some differ from their rows, no week is corrected; returns those days.
        """
        monday = start - timedelta(days=start.weekday())
        before = await self._compare_weeks(monday, end)
        self.done.before.extend(before)
        if not (apply and before):
            self.done.after.extend(before)
            return []
        days = {d.start + DAY * number for d in before for number in range(7)}
        other_days = {day for day in days if not start <= day < end and day >= (self.floor or day)}
        wrong = [d for day in sorted(other_days) for d in await self._compare(day)]
        if wrong:
            self.done.after.extend(before + wrong)
            return sorted({d.start.replace(hour=0, minute=0, second=0) for d in wrong})
        for partition, week in sorted({(d.partition, d.start) for d in before}):
            await self._from_finer(partition, WEEK, week, week + WEEK)
        self.done.after.extend(await self._compare_weeks(monday, end))
        return []

    async def _compare(self, start: datetime) -> list[Difference]:
        """Returns all differences of a day in one snapshot; daily sums are taken from correct hourly ones."""
        end = start + DAY
        found: list[Difference] = []
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            for table in self.tables:
                if not table.finer:
                    found += await table.differences(self.connection, start, end)
            hourly_is_correct = not found
            for table in self._of(DAY):
                found += await table.differences(self.connection, start, end, from_finer=hourly_is_correct)
        return found

    async def _compare_weeks(self, start: datetime, end: datetime) -> list[Difference]:
        found: list[Difference] = []
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            for table in self._of(WEEK):
                found += await table.differences(self.connection, start, end, from_finer=True)
        return found

    def _of(self, width: timedelta) -> list[SumTable]:
        """Returns the tables whose sums of this width are taken from finer ones."""
        return [table for table in self.tables if table.finer and table.width == width]

    async def _hour(self, partition: int, hour: datetime) -> None:
        async with self.connection.transaction():
            await lock_partition(self.connection, TRANSACTIONS, partition)
            locked = time.monotonic()
            for table in self.tables:
                if not table.finer:
                    wrong = await table.differences(self.connection, hour, hour + HOUR, partition)
                    await table.correct(self.connection, wrong)
        self._record_lock(locked)
        self.done.repaired_hours += 1

    async def _from_finer(self, partition: int, width: timedelta, start: datetime, end: datetime) -> None:
        """Corrects daily sums from the hourly ones, or weekly from the daily, which were just corrected."""
        async with self.connection.transaction():
            await lock_partition(self.connection, TRANSACTIONS, partition)
            locked = time.monotonic()
            for table in self._of(width):
                wrong = await table.differences(self.connection, start, end, partition, from_finer=True)
                await table.correct(self.connection, wrong)
        self._record_lock(locked)

    def _record_lock(self, locked: float) -> None:
        held = time.monotonic() - locked
        self.done.longest_lock_seconds = max(self.done.longest_lock_seconds, held)
