"""Labels: what orders turned out to be. All are kept; the one with the newest event time counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import asyncpg

from app.fraud.rule_errors import InvalidRuleError
from app.fraud.texts import checked_text

Label: TypeAlias = Literal["fraud", "legitimate"]
Source: TypeAlias = Literal["analyst", "chargeback", "import"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
MAX_TRANSACTION_ID: Final = 100
#: Labels of a statement, which takes less than a second.
_BATCH: Final = 10_000
#: Clocks differ; a label further ahead would count before all that follow it.
_AHEAD: Final = timedelta(days=1)
#: In the order given: of two with the same event time the later one counts.
_INSERT: Final = """
WITH given AS (
    SELECT * FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TIMESTAMPTZ[]) WITH ORDINALITY
        AS s (transaction_id, label, source, event_time, place)
), stored AS (
    INSERT INTO fraud_labels (transaction_id, label, source, event_time, author)
    SELECT transaction_id, label, source, event_time, $5 FROM given ORDER BY place
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM stored) AS stored, (
    SELECT count(DISTINCT transaction_id) FROM given
    WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.transaction_id = given.transaction_id)
) AS without_order"""


@dataclass(frozen=True, slots=True)
class OrderLabel:
    """A label of an order; `event_time` is when it was known, aware UTC."""

    transaction_id: str
    label: Label
    source: Source
    event_time: datetime


class LabelCounts(NamedTuple):
    """`repeated` were known already; `without_order` are ids of which no order is stored, whose labels are kept."""

    stored: int
    repeated: int
    without_order: int


def checked_label(transaction_id: str, label: str, source: str, event_time: datetime, now: datetime) -> OrderLabel:
    """Returns the label; raises InvalidRuleError that names the field and the fix."""
    checked_text("transaction_id", transaction_id, MAX_TRANSACTION_ID, 1)
    wanted: Label | None = next((known for known in LABELS if known == label), None)
    if wanted is None:
        raise InvalidRuleError(f"label: {label!r} is no label; write {' or '.join(LABELS)}")
    origin: Source | None = next((known for known in SOURCES if known == source), None)
    if origin is None:
        raise InvalidRuleError(f"source: {source!r} is no source; write {', '.join(SOURCES)}")
    if event_time > now + _AHEAD:
        raise InvalidRuleError(f"event_time: {event_time.isoformat()} lies in the future; write when it was known")
    return OrderLabel(transaction_id, wanted, origin, event_time)


async def import_labels(connection: asyncpg.Connection, labels: Sequence[OrderLabel], author: str) -> LabelCounts:
    """Stores any number of labels in one transaction of short statements."""
    total = LabelCounts(0, 0, 0)
    async with connection.transaction():
        for batch in _batches(labels):
            counts = await store_labels(connection, batch, author)
            total = LabelCounts(*(sum(pair) for pair in zip(total, counts, strict=True)))
    return total


def _batches(labels: Sequence[OrderLabel]) -> Iterator[list[OrderLabel]]:
    """Yields all labels of an order together and in their order, so that each order is counted once."""
    batch: list[OrderLabel] = []
    for _, group in groupby(sorted(labels, key=_order), key=_order):
        batch.extend(group)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _order(label: OrderLabel) -> str:
    return label.transaction_id


async def store_labels(connection: asyncpg.Connection, labels: Sequence[OrderLabel], author: str) -> LabelCounts:
    """Stores labels, each once, in one statement."""
    (row,) = await connection.fetch(
        _INSERT,
        [label.transaction_id for label in labels],
        [label.label for label in labels],
        [label.source for label in labels],
        [label.event_time for label in labels],
        author,
    )
    return LabelCounts(row["stored"], len(labels) - row["stored"], row["without_order"])
