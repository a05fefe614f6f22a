"""Runs a test on history: one process per core, each with its own connection, all on one snapshot."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Final

import asyncpg

from app.errors import GlobalMartError
from app.fraud.backtest.parts import Part, answers, count_orders, judge_part
from app.fraud.backtest.question import Prepared, Question, prepare
from app.fraud.backtest.stored_orders import Unit, units_of
from app.ops.rule_test.archive import Archive, archived_orders, open_archive
from app.postgres.connections import connect_reader, translate_errors
from app.settings import PostgresSettings, Settings

_APPLICATION: Final = "globalmart-rules"
_DAY_SECONDS: Final = 86_400.0
_LOOK_SECONDS: Final = 0.2
_EXPORT: Final = "SELECT pg_export_snapshot()"

#: Called with how many of how many orders were judged.
Report = Callable[[int, int], None]


class TooManyOrdersError(GlobalMartError):
    """The range has more orders than may be judged."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What a process needs to judge a unit."""

    settings: PostgresSettings
    snapshot: str
    prepared: Prepared
    archive: Archive
    unit: Unit


async def ask_history(
    settings: Settings,
    question: Question,
    lake_location: str,
    *,
    processes: int,
    max_orders: int | None = None,
    report: Report = lambda done, total: None,
) -> dict[str, Any]:
    """Answers the question for each rule; `answers` has those of `app.fraud.backtest.answer`, in the order asked.

    Raises InvalidRuleError, UnknownNameError, LakeError, TooManyOrdersError, StoreUnavailableError.
    """
    began = time.monotonic()
    postgres = settings.postgres.model_copy(update={"command_timeout_seconds": _DAY_SECONDS})
    with translate_errors(postgres):
        connection = await connect_reader(postgres, _APPLICATION)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                snapshot = await connection.fetchval(_EXPORT)
                prepared = await prepare(connection, question)
                archive = await open_archive(connection, prepared, lake_location)
                orders = await _count(connection, prepared, archive, max_orders)
                units = units_of(prepared, orders)
                tasks = [_Task(postgres, snapshot, prepared, archive, unit) for unit in units]
                part = await asyncio.to_thread(_judge_all, tasks, processes, lambda done: report(done, orders))
                found = await answers(connection, prepared, part)
        finally:
            await connection.close()
    since = archive.histories_since
    return {
        "orders_read": orders,
        "histories_since": since and since.isoformat(),
        "seconds": round(time.monotonic() - began, 2),
        "answers": found,
    }


async def _count(connection: asyncpg.Connection, prepared: Prepared, archive: Archive, max_orders: int | None) -> int:
    orders = archive.orders + await count_orders(connection, prepared.reads_from, prepared.question.end)
    if max_orders is not None and orders > max_orders:
        raise TooManyOrdersError(
            f"from: {orders:,} orders would have to be read, of which {prepared.lookback} before the range is history; "
            f"{max_orders:,} are allowed here: choose a shorter range, or use `globalmart rules test`"
        )
    return orders


def _judge_all(tasks: Sequence[_Task], processes: int, report: Callable[[int], None]) -> Part:
    """Judges the tasks in as many processes as there is work for; the first error ends all."""
    whole = Part()
    counter: Synchronized[int] = get_context("spawn").Value("q", 0)
    with _pool(min(processes, len(tasks)), counter) as pool:
        pending: set[Future[Part]] = {pool.submit(_judge, task) for task in tasks}
        while pending:
            done, pending = wait(pending, _LOOK_SECONDS, FIRST_COMPLETED)
            for finished in done:
                whole.merge(finished.result())
            report(counter.value)
    return whole


@contextmanager
def _pool(processes: int, counter: "Synchronized[int]") -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(max(1, processes), get_context("spawn"), _begin, (counter,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


#: Of a process of the pool: how many orders all have judged.
_counters: list["Synchronized[int]"] = []


def _begin(counter: "Synchronized[int]") -> None:
    _counters[:] = [counter]
    # Millions of remembered orders live until the end: looking through them for cycles again and again finds none.
    gc.disable()


def _judge(task: _Task) -> Part:
    return asyncio.run(_judge_unit(task))


async def _judge_unit(task: _Task) -> Part:
    archived = archived_orders(task.archive, task.prepared, task.unit)
    connection = await connect_reader(task.settings, _APPLICATION)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{task.snapshot}'")
            return await judge_part(connection, task.prepared, task.unit, archived, _count_judged)
    finally:
        await connection.close()


def _count_judged(orders: int) -> None:
    for counter in _counters:
        with counter.get_lock():
            counter.value += orders
