"""Reads stored orders in offset order, with the columns that the asked rules look at, as rows of the stream."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import asyncpg

from app.domain.money import CENTS
from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.question import Prepared
from app.fraud.rulebook import is_of_the_minute, needs_history
from app.fraud.rules import FILTERED_NAMES, Amount, AnyRule, Listed, Quantity, Where

#: Fields that every answer needs.
_ALWAYS: Final = ("transaction_id", "user_id", "timestamp", "amount_cents", "country", "quantity", "source_offset")
#: SQL of the fields that are no columns.
_COMPUTED: Final = {"amount_cents": f"(total_amount * {CENTS})::BIGINT"}
_PIECE: Final = 5_000
#: A user's shard is the first byte of a digest.
MAX_SHARDS: Final = 256
#: Orders of a shard, of which some 200 bytes each are remembered.
_SHARD_ORDERS: Final = 1_500_000
#: Sorting a shard in memory; a plan for all rows, as all are read.
_SESSION: Final = "SET LOCAL work_mem = '192MB'; SET LOCAL jit = off"


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the orders that is judged alone: some of the users of a partition, by shard or, if any, by name."""

    partition: int
    shard: int = 0
    shards: int = 1
    users: tuple[str, ...] = ()

    def has(self, user_id: str) -> bool:
        """Whether the user, of this partition, belongs to it."""
        return self.shards == 1 or sha256(user_id.encode()).digest()[0] % self.shards == self.shard


def units_of(prepared: Prepared, orders: int) -> list[Unit]:
    """Divides so many orders, so that one unit's users are remembered in little memory."""
    partitions = sorted(prepared.ends)
    shards = 1
    if partitions and any(map(_remembers, prepared.rules)):
        shards = min(MAX_SHARDS, 1 + orders // (_SHARD_ORDERS * len(partitions)))
    return [Unit(partition, shard, shards) for partition in partitions for shard in range(shards)]


async def read_orders(
    connection: asyncpg.Connection, prepared: Prepared, unit: Unit
) -> AsyncIterator[list[TransactionRow]]:
    """Yields the unit's stored orders that may matter, in offset order, in pieces; needs a transaction."""
    await connection.execute(_SESSION)
    names = columns_of(prepared.rules)
    selected = [_COMPUTED.get(name, name) if name in names else "NULL" for name in TransactionRow._fields]
    statement = (
        f"SELECT {', '.join(selected)} FROM transactions WHERE source_partition = $1 AND source_offset < $2 "
        "AND timestamp >= $3 AND timestamp < $4"
    )
    if unit.shards > 1:
        place = "get_byte(sha256(convert_to(user_id, 'UTF8')), 0)"
        statement += f" AND {place} % {unit.shards} = {unit.shard}"
    conditions, values = _may_raise(prepared.rules)
    if conditions:
        statement += f" AND ({' OR '.join(conditions)})"
    if unit.users:
        values.append(list(unit.users))
        statement += f" AND user_id = ANY(${len(values) + 4})"
    cursor = await connection.cursor(
        statement + " ORDER BY source_offset",
        unit.partition,
        prepared.ends[unit.partition],
        prepared.reads_from,
        prepared.question.end,
        *values,
    )
    make = TransactionRow._make
    while rows := await cursor.fetch(_PIECE):
        yield [make(row) for row in rows]


def columns_of(rules: Iterable[AnyRule]) -> set[str]:
    """Returns the fields of an order that the rules and the answer need."""
    names = set(_ALWAYS)
    for rule in rules:
        names.update(rule.traits)
        names.update(name for name in FILTERED_NAMES if _filters(rule.where, name))
        if isinstance(rule, Listed):
            names.add(rule.field)
    return names


def _filters(where: Where, name: str) -> bool:
    return getattr(where, f"{name}_in") is not None or getattr(where, f"{name}_not_in") is not None


def _remembers(rule: AnyRule) -> bool:
    return needs_history(rule) or is_of_the_minute(rule)


def _may_raise(rules: Sequence[AnyRule]) -> tuple[list[str], list[object]]:
    """SQL of orders that may raise a rule, with values from $5 on; none if every order has to be read."""
    conditions: list[str] = []
    values: list[object] = []
    for rule in rules:
        match rule:
            case Amount():
                values.append(rule.above)
                condition = "total_amount > ${}"
            case Quantity():
                values.append(rule.at_least)
                condition = "quantity >= ${}"
            case Listed():
                values.append(rule.list)
                condition = f"{rule.field} IN (SELECT value FROM fraud_list_entries WHERE list = ${{}})"
            case _:
                return [], []
        conditions.append(condition.format(len(values) + 4))
    return conditions, values
