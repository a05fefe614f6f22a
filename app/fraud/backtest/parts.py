"""One part of a test on history: a unit's tallies, and what is known of the orders that it may raise."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.answer import Known, Stored, Tally, answer
from app.fraud.backtest.question import Prepared, Question
from app.fraud.backtest.stored_orders import Unit
from app.fraud.backtest.unit_judge import Finding, replay

_ANOMALIES: Final = """
SELECT transaction_id, array_agg(anomaly_type ORDER BY anomaly_type) AS rules FROM transaction_anomalies
WHERE event_time >= $1 AND event_time < $2 AND (source_partition = $3 OR source_partition IS NULL)
GROUP BY transaction_id"""
_LABELS: Final = "SELECT transaction_id, label FROM order_labels"
_DAYS: Final = """
SELECT (timestamp AT TIME ZONE 'UTC')::DATE AS day, count(*) AS orders FROM transactions
WHERE timestamp >= $1 AND timestamp < $2 GROUP BY 1"""
_LABELLED: Final = """
SELECT label, count(*) AS orders FROM order_labels JOIN transactions t USING (transaction_id)
WHERE t.timestamp >= $1 AND t.timestamp < $2 GROUP BY 1"""
_COUNT: Final = "SELECT count(*) FROM transactions WHERE timestamp >= $1 AND timestamp < $2"

#: Called with how many orders more were judged.
Progress = Callable[[int], None]


@dataclass(slots=True)
class Part:
    """Tallies by rule; `archived` are the orders of the range that PostgreSQL has no more."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    archived: Stored = field(default_factory=Stored)

    def merge(self, other: "Part") -> None:
        """Adds another part."""
        for rule_id, tally in other.tallies.items():
            self.tallies.setdefault(rule_id, Tally()).merge(tally)
        self.archived.merge(other.archived)


async def judge_part(
    connection: asyncpg.Connection,
    prepared: Prepared,
    unit: Unit,
    archived: Sequence[TransactionRow] = (),
    progress: Progress = lambda _: None,
) -> Part:
    """Judges a unit's orders; needs a transaction of one snapshot."""
    question, part = prepared.question, Part()
    known = await _known(connection, question, unit)
    part.archived = _stored(archived, known, question)
    async with aclosing(replay(connection, prepared, unit, archived)) as pieces:
        async for judged in pieces:
            for finding in judged.findings:
                rule_id = finding.raised.version.rule.id
                part.tallies.setdefault(rule_id, Tally()).add(finding, known, question)
            progress(judged.orders)
    return part


async def collect(
    connection: asyncpg.Connection, prepared: Prepared, unit: Unit, archived: Sequence[TransactionRow] = ()
) -> list[Finding]:
    """Returns every finding of a unit; needs a transaction of one snapshot."""
    async with aclosing(replay(connection, prepared, unit, archived)) as pieces:
        return [finding async for judged in pieces for finding in judged.findings]


async def count_orders(connection: asyncpg.Connection, since: datetime, until: datetime) -> int:
    """Returns the number of stored orders of [since, until)."""
    count: int = await connection.fetchval(_COUNT, since, until)
    return count


async def answers(connection: asyncpg.Connection, prepared: Prepared, part: Part) -> list[dict[str, Any]]:
    """Returns the answer for each rule that was asked for; `part` has all parts merged."""
    question, stored = prepared.question, Stored()
    for row in await connection.fetch(_DAYS, question.start, question.end):
        stored.days[row["day"]] = row["orders"]
    for row in await connection.fetch(_LABELLED, question.start, question.end):
        stored.labels[row["label"]] = row["orders"]
    stored.merge(part.archived)
    asked = (*(draft.id for draft in question.drafts), *question.rule_ids)
    return [answer(rule_id, question, part.tallies.get(rule_id, Tally()), stored) for rule_id in asked]


async def _known(connection: asyncpg.Connection, question: Question, unit: Unit) -> Known:
    rows = await connection.fetch(_ANOMALIES, question.start, question.end, unit.partition)
    labels = await connection.fetch(_LABELS)
    return Known(
        {row["transaction_id"]: tuple(row["rules"]) for row in rows},
        {row["transaction_id"]: row["label"] for row in labels},
    )


def _stored(rows: Sequence[TransactionRow], known: Known, question: Question) -> Stored:
    inside = [row for row in rows if question.start <= row.timestamp < question.end]
    return Stored(
        Counter(row.timestamp.astimezone(UTC).date() for row in inside),
        Counter(known.labels[row.transaction_id] for row in inside if row.transaction_id in known.labels),
    )
