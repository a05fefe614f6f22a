"""How long a test on history takes over stored orders of a year; writes `var/history.json`.

`--fill` makes the orders and ends, so that the next run finds a database at rest.
"""

import argparse
import asyncio
import json
import os
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from app.fraud.backtest.question import Question
from app.fraud.rules import Amount, AnyRule, Deviation, NewCustomer, Velocity
from app.ops.rule_test.process_pool import ask_history
from app.postgres.connections import connect_owner
from app.postgres.migrate import migrate
from app.settings import Settings
from compose.embedded.stack import EmbeddedStack

_FOLDER: Final = Path("var/history")
_REPORT: Final = Path("var/history.json")
_USERS: Final = 100_000
_PARTITIONS: Final = 6
_END: Final = datetime(2026, 3, 1, tzinfo=UTC)
_DAYS: Final = 365
_SLICE: Final = 500_000
_ORDERS: Final = f"""
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, payment_method, quantity,
    product_id, card, source_partition, source_offset)
SELECT 't' || n, 'u' || u, $4::TIMESTAMPTZ - (1 + ($1::BIGINT - n)::FLOAT8 / $1::BIGINT * {_DAYS * 86_400 - 1})
    * INTERVAL '1 second',
    (hashint8extended(n, 1) & 65535) / 100.0 + CASE WHEN n % 200 = 0 THEN 5000 ELSE 0 END,
    'Category ' || (hashint8extended(n, 2) & 63), ('{{USA,UK,Canada,Germany,France}}'::TEXT[])[1 + n % 5],
    'card', 1, 'p' || (hashint8extended(n, 4) & 4095), 'c' || u, u % {_PARTITIONS}, n
FROM (
    SELECT n, (hashint8extended(n, 0) & 1048575) % {_USERS} AS u FROM generate_series($2::BIGINT, $3::BIGINT) AS n
) AS numbered"""
_LEDGER: Final = """
INSERT INTO stream_progress (topic, partition, next_offset, watermark, consumed, stored)
SELECT 'transactions', source_partition, max(source_offset) + 1, max(timestamp), count(*), count(*)
FROM transactions GROUP BY 2"""
_RULES: Final[tuple[AnyRule, ...]] = (
    Amount(id="amount", name="Amount", above=Decimal("5000.00")),
    Velocity(id="velocity", name="Velocity", more_than=2, seconds=3_600),
    Deviation(id="deviation", name="Deviation", deviations=Decimal(4), orders=50, at_least=5),
    NewCustomer(id="newcomer", name="Newcomer", above=Decimal("500.00")),
)


async def _fill(settings: Settings, orders: int, say: Callable[[str], None]) -> None:
    """Store so many orders, unless an earlier run has."""
    await migrate(settings.postgres)
    owner = await connect_owner(settings.postgres)
    try:
        if await owner.fetchval("SELECT sum(stored) FROM stream_progress") == orders:
            return
        for first in range(1, orders + 1, _SLICE):
            await owner.execute(_ORDERS, orders, first, min(orders, first + _SLICE - 1), _END, timeout=1800)
            say(f"{min(orders, first + _SLICE - 1):,} orders stored")
        await owner.execute("VACUUM (ANALYZE) transactions", timeout=1800)
        await owner.execute(_LEDGER, timeout=1800)
    finally:
        await owner.close()


async def _measure(settings: Settings, processes: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    found = []
    for rule in _RULES:
        question = Question(_END - timedelta(days=_DAYS), _END, (rule,))
        before = _cpu_seconds()
        answer = await ask_history(settings, question, "absent", processes=processes)
        (raised,) = answer["answers"]
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        figures = {
            "rule": rule.id,
            "orders_read": answer["orders_read"],
            "raised": raised["orders"],
            "seconds": answer["seconds"],
            "cpu_seconds_of_judging": round(_cpu_seconds() - before, 1),
            "largest_process_mb_so_far": round(largest / 1024),
        }
        say(str(figures))
        found.append(figures)
    return found


def _cpu_seconds() -> float:
    """Of the processes that judged, without PostgreSQL's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.history", description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000_000, help="orders to store")
    parser.add_argument("--processes", type=int, default=2, help="processes that judge")
    parser.add_argument("--fill", action="store_true", help="only store the orders")
    options = parser.parse_args()
    console = Console(stderr=True)
    with EmbeddedStack(_FOLDER, services=("postgres",), preferred_ports=False, report=console.log) as stack:
        settings = Settings(stack.environment())
        asyncio.run(_fill(settings, options.orders, console.log))
        if options.fill:
            return
        found = asyncio.run(_measure(settings, options.processes, console.log))
    report = {"orders": options.orders, "processes": options.processes, "load_average": os.getloadavg(), "rules": found}
    _REPORT.write_text(json.dumps(report, indent=2) + "\n")
    console.print_json(json.dumps(report))


if __name__ == "__main__":
    main()
