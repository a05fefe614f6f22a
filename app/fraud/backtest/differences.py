"""Compares what rules in shadow raised live with a replay of the same orders: not one row may differ."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple

import asyncpg

from app.domain.money import decimal_from_cents
from app.fraud.backtest.parts import collect
from app.fraud.backtest.question import Prepared, Question, prepare
from app.fraud.backtest.stored_orders import Unit, units_of
from app.fraud.backtest.unit_judge import Finding

_START: Final = datetime(1, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 12, 31, tzinfo=UTC)
_RULES: Final = "SELECT DISTINCT rule_id FROM fraud_rules ORDER BY 1"
_SHADOWS: Final = """
SELECT source_partition, source_offset, rule_id, rule_version, transaction_id, user_id, amount, measure, threshold,
    anomaly_score, description
FROM shadow_anomalies WHERE source_partition = $1"""
_SHADOW_COUNT: Final = "SELECT count(*) FROM shadow_anomalies"
_ORDERS: Final = "SELECT count(*) FROM transactions"


class ShadowRow(NamedTuple):
    """A row of `shadow_anomalies`, without the time at which it was stored."""

    partition: int
    offset: int
    rule_id: str
    rule_version: int
    transaction_id: str
    user_id: str
    amount: Decimal
    measure: Decimal
    threshold: Decimal
    score: Decimal
    description: str


class Comparison(NamedTuple):
    """Orders replayed, live rows compared with the replay, and the differences, one line each."""

    orders: int
    compared: int
    differences: list[str]


async def differences(connection: asyncpg.Connection, *, lists_now: bool = False) -> Comparison:
    """Judges every stored order again and compares with what the shadow raised; in a transaction of its own.

    With `lists_now` it compares with a replay that is wrong on purpose. Orders that retention has deleted are missing.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rule_ids = tuple(row[0] for row in await connection.fetch(_RULES))
        question = Question(_START, _END, rule_ids=rule_ids, states=frozenset(("shadow",)), lists_now=lists_now)
        prepared = await prepare(connection, question)
        orders: int = await connection.fetchval(_ORDERS)
        lines: list[str] = []
        compared = 0
        for partition, units in groupby(units_of(prepared, orders), key=lambda unit: unit.partition):
            live = {ShadowRow(*row) for row in await connection.fetch(_SHADOWS, partition)}
            replayed = {row for unit in units for row in await _replayed(connection, prepared, unit)}
            lines += [f"only the live run has {row}" for row in sorted(live - replayed)]
            lines += [f"only the replay has {row}" for row in sorted(replayed - live)]
            compared += len(live)
        stored: int = await connection.fetchval(_SHADOW_COUNT)
    if compared != stored:
        lines.append(f"{stored - compared} rows are of partitions that no ledger knows")
    return Comparison(orders, compared, lines)


async def _replayed(connection: asyncpg.Connection, prepared: Prepared, unit: Unit) -> list[ShadowRow]:
    return [_shadow_row(finding) for finding in await collect(connection, prepared, unit)]


def _shadow_row(finding: Finding) -> ShadowRow:
    row, partition, raised, _ = finding
    rule, version = raised.version.rule, raised.version.version
    values = (decimal_from_cents(row.amount_cents), raised.measure, raised.threshold, raised.score, raised.description)
    return ShadowRow(partition, row.source_offset, rule.id, version, row.transaction_id, row.user_id, *values)
