"""Who judged which offsets of a partition: one judge for each range of `judged_from`, with the asked rules in place."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import asyncpg
import msgspec

from app.fraud.backtest.question import Prepared
from app.fraud.editions import load_rulebook
from app.fraud.judging import Judge
from app.fraud.rulebook import FIRST_EDITION, Rulebook
from app.fraud.rules import AnyRule

_RANGES: Final = """
SELECT first_offset, edition FROM judged_from
WHERE topic = 'transactions' AND partition = $1 AND edition <= $2 ORDER BY first_offset"""
_FIRST_OFFSET: Final = 0


async def judges_of(
    connection: asyncpg.Connection, prepared: Prepared, partition: int
) -> AsyncGenerator[tuple[int, Judge], None]:
    """Yields first offset and judge of each range; only one rulebook is kept, as lists may be long."""
    newest = await load_rulebook(connection, prepared.newest)
    if not prepared.by_edition:
        yield _FIRST_OFFSET, _judge(prepared, newest, newest)
        return
    known: Rulebook | None = None
    for first_offset, edition in await _ranges(connection, partition, prepared.newest):
        known = await load_rulebook(connection, edition, known)
        yield first_offset, _judge(prepared, known, newest)


async def _ranges(connection: asyncpg.Connection, partition: int, newest: int) -> list[tuple[int, int]]:
    ranges = [(row[0], row[1]) for row in await connection.fetch(_RANGES, partition, newest)]
    if not ranges or ranges[0][0] > _FIRST_OFFSET:
        ranges.insert(0, (_FIRST_OFFSET, FIRST_EDITION))
    return ranges


def _judge(prepared: Prepared, book: Rulebook, newest: Rulebook) -> Judge:
    lists = newest.lists if prepared.question.lists_now else book.lists
    # What is asked for judges in whatever state its draft is.
    versions = tuple(
        version if version.rule.state != "paused" else replace(version, rule=_awake(version.rule))
        for version in prepared.question.versions(book)
    )
    return Judge(Rulebook(book.edition, versions, lists), prepared.traits)


def _awake(rule: AnyRule) -> AnyRule:
    return msgspec.structs.replace(rule, state="shadow")
