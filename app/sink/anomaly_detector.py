"""Judges accepted transactions inside the sink's transaction: anomalies, verdicts, cases, and shadows."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import asyncpg
import orjson

from app.domain.money import decimal_from_cents
from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.topics.transactions import TransactionRow
from app.fraud.editions import load_rulebook, newest_edition
from app.fraud.judging import Judge, Raised
from app.fraud.measures import Orders
from app.fraud.rulebook import Rulebook
from app.fraud.verdicts import Reason, Verdict, is_allowing, reasons_of, verdicts_of
from app.sink.ledger import NO_PARTITION
from app.sink.stateful_rules import STATEFUL_RULES, StatefulRule, count
from app.sink.user_orders import read_histories, read_totals
from tables.sales_state import SalesState
from tables.user_histories import UserHistories
from tables.velocity import RECENT

_NO_EDITION: Final = 0
_INSERT: Final = """
INSERT INTO transaction_anomalies
    (transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at, description,
     event_time, threshold, rule_version, severity, suppressed, source_partition, source_offset)
SELECT id, user_id, amount, score, type, $1, description, event_time, threshold, version, severity, suppressed, $2, at
FROM unnest(
    $3::TEXT[], $4::TEXT[], $5::NUMERIC[], $6::NUMERIC[], $7::TEXT[], $8::TEXT[], $9::TIMESTAMPTZ[], $10::NUMERIC[],
    $11::INTEGER[], $12::TEXT[], $13::BOOLEAN[], $14::BIGINT[])
    AS raised (id, user_id, amount, score, type, description, event_time, threshold, version, severity, suppressed, at)
-- An order that was deleted and arrives again: its anomalies were kept, each is stored once.
ON CONFLICT (transaction_id, anomaly_type) DO NOTHING"""
_INSERT_SHADOW: Final = """
INSERT INTO shadow_anomalies
    (transaction_id, rule_id, rule_version, user_id, amount, anomaly_score, measure, threshold, description, event_time,
     detected_at, source_partition, source_offset)
SELECT id, rule, version, user_id, amount, score, measure, threshold, description, event_time, $1, $2, at
FROM unnest(
    $3::TEXT[], $4::TEXT[], $5::INTEGER[], $6::TEXT[], $7::NUMERIC[], $8::NUMERIC[], $9::NUMERIC[], $10::NUMERIC[],
    $11::TEXT[], $12::TIMESTAMPTZ[], $13::BIGINT[])
    AS raised (id, rule, version, user_id, amount, score, measure, threshold, description, event_time, at)
ON CONFLICT (transaction_id, rule_id) DO NOTHING"""
#: A case is opened for a verdict that is stored here for the first time.
_INSERT_VERDICTS: Final = """
WITH judged AS (
    SELECT * FROM unnest(
        $4::TEXT[], $5::TEXT[], $6::NUMERIC[], $7::TIMESTAMPTZ[], $8::INTEGER[], $9::TEXT[], $10::TEXT[], $11::TEXT[],
        $12::BOOLEAN[], $13::BIGINT[])
        AS s (id, user_id, amount, event_time, score, action, severity, reasons, opens, at)
), stored AS (
    INSERT INTO verdicts
        (transaction_id, user_id, amount, event_time, detected_at, edition, risk_score, action, severity, reasons,
         source_partition, source_offset)
    SELECT id, user_id, amount, event_time, $1, $3, score, action, severity, reasons::JSONB, $2, at FROM judged
    ON CONFLICT (transaction_id) DO NOTHING RETURNING transaction_id
)
INSERT INTO cases (transaction_id, severity, amount, event_time, opened_at)
SELECT id, severity, amount, event_time, $1 FROM judged JOIN stored ON transaction_id = id WHERE opens
ON CONFLICT (transaction_id) DO NOTHING"""
#: Earlier anomalies of users that counted, of rules with a cool-down.
_COUNTED: Final = """
SELECT a.user_id, a.anomaly_type, a.event_time FROM transaction_anomalies a
JOIN unnest($2::TEXT[], $3::TEXT[], $4::TIMESTAMPTZ[], $5::TIMESTAMPTZ[]) AS s (user_id, type, after, upto)
    ON a.user_id = s.user_id AND a.anomaly_type = s.type AND a.event_time > s.after AND a.event_time <= s.upto
WHERE a.source_partition = $1 AND NOT a.suppressed AND a.source_offset < $6"""

RowContraT = TypeVar("RowContraT", contravariant=True)


class Detector(Protocol[RowContraT]):
    """Judges the accepted rows of a chunk, within its transaction."""

    @property
    def judge(self) -> Judge:
        """The judge by the newest edition that this worker knows."""

    async def newer(self, connection: asyncpg.Connection, than: Judge) -> Judge | None:
        """Returns the judge by the newest edition, None if that is the one of `than`."""

    async def detect(
        self,
        connection: asyncpg.Connection,
        judge: Judge,
        partition: int,
        sales: SalesState,
        rows: Sequence[RowContraT],
        sent: Sequence[RowContraT],
        timestamps_us: Sequence[int],
    ) -> list[str]:
        """Stores what the rows raise and returns the types of the anomalies; `sent` are the rows as they were sent."""
        ...

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Runs the detector's statements without effect, so that the connection has them prepared."""


class _Judged(NamedTuple):
    """An order that raised active rules, and its verdict."""

    row: TransactionRow
    verdict: Verdict


class AnomalyDetector:
    """Applies the newest rules to the accepted rows of a chunk and stores anomalies, verdicts, cases, shadows."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._judge = Judge(Rulebook(_NO_EDITION))

    @property
    def judge(self) -> Judge:
        """The judge by the newest edition that this worker knows."""
        return self._judge

    async def newer(self, connection: asyncpg.Connection, than: Judge) -> Judge | None:
        """Returns the judge by the newest edition, None if that is the one of `than`."""
        newest = await newest_edition(connection)
        if newest == than.rulebook.edition:
            return None
        if newest < than.rulebook.edition:
            # The database was restored: what is known is of a future that did not happen.
            self._judge = Judge(await load_rulebook(connection, newest))
        elif newest > self._judge.rulebook.edition:
            known = self._judge.rulebook
            loaded = Judge(await load_rulebook(connection, newest, known if known.edition else None))
            # Another connection may have loaded a later one meanwhile.
            self._judge = max(self._judge, loaded, key=lambda judge: judge.rulebook.edition)
        return self._judge

    async def detect(
        self,
        connection: asyncpg.Connection,
        judge: Judge,
        partition: int,
        sales: SalesState,
        rows: Sequence[TransactionRow],
        sent: Sequence[TransactionRow],
        timestamps_us: Sequence[int],
    ) -> list[str]:
        """Stores what the rows raise and returns the types of the anomalies.

        The rows, in offset order, are added to the rules' states and to the histories.
        """
        recent: Sequence[int] = ()
        for rule in STATEFUL_RULES:
            known = rule.add(sales.rules[rule.measure], rows, timestamps_us)
            if rule.measure == RECENT and judge.counts_minutes:
                recent = await _complete(connection, rule, partition, rows, known)
        orders = Orders(rows, sent, timestamps_us, recent)
        traits, histories = judge.rulebook.traits, sales.histories
        unknown = judge.unknown(orders, histories)
        if unknown:
            read = await read_totals(connection, partition, rows[0].source_offset, unknown, traits)
            for user_id, totals in read.items():
                histories.put_totals(user_id, totals)
        needed = judge.needed(orders, histories, totals_read=True)
        if needed:
            found = await read_histories(connection, partition, rows[0].source_offset, needed, traits)
            for user_id, history in found.items():
                histories.put(user_id, history)
        return await self._store(connection, judge.rulebook, partition, rows, judge.judge(orders, histories))

    async def detect_again(self, connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow]) -> int:
        """Stores the missing anomalies of stored rows by the editions that judged them; returns how many were missing.

        Each order is judged for itself, without any state. Verdicts and shadows that are missing are stored, too.
        """
        stored = 0
        judges: dict[int, Judge] = {}
        for row in rows:
            edition = await _edition_of(connection, partition, row.source_offset)
            if edition not in judges:
                judges[edition] = Judge(await load_rulebook(connection, edition))
            stored += await self._judge_one(connection, judges[edition], partition, row)
        return stored

    async def _judge_one(
        self, connection: asyncpg.Connection, judge: Judge, partition: int, row: TransactionRow
    ) -> int:
        recent = [await count(connection, rule, partition, [row]) for rule in STATEFUL_RULES if rule.measure == RECENT]
        timestamp_us = (row.timestamp - EPOCH) // MICROSECOND
        orders, histories = Orders([row], [row], [timestamp_us], recent[0]), UserHistories()
        needed = judge.needed(orders, histories)
        traits = judge.rulebook.traits
        for user_id, history in (
            await read_histories(connection, partition, row.source_offset, needed, traits)
        ).items():
            histories.put(user_id, history)
        before = await connection.fetchval(_COUNT_ANOMALIES, row.transaction_id)
        await self._store(connection, judge.rulebook, partition, [row], judge.judge(orders, histories))
        return int(await connection.fetchval(_COUNT_ANOMALIES, row.transaction_id) - before)

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Counts, reads and inserts nothing, so that the connection has the statements prepared; loads the rules."""
        for rule in STATEFUL_RULES:
            await count(connection, rule, NO_PARTITION, [])
        await self._insert_anomalies(connection, NO_PARTITION, [])
        await self._insert_verdicts(connection, NO_PARTITION, self._judge.rulebook, [])
        await self._insert_shadows(connection, NO_PARTITION, [], [])
        await _counted_before(connection, NO_PARTITION, 0, [])
        # Read whole: a new session may be one of a database that was restored, where an edition is another one.
        self._judge = Judge(await load_rulebook(connection))
        for read in (read_totals, read_histories):
            await read(connection, NO_PARTITION, 0, {}, self._judge.rulebook.traits)

    async def _store(
        self,
        connection: asyncpg.Connection,
        rulebook: Rulebook,
        partition: int,
        rows: Sequence[TransactionRow],
        raised: Sequence[Raised],
    ) -> list[str]:
        if not raised:
            return []
        shadows = [one for one in raised if one.version.rule.state == "shadow"]
        if shadows:
            await self._insert_shadows(connection, partition, rows, shadows)
        active = [one for one in raised if one.version.rule.state == "active"]
        anomalies = [one for one in active if not is_allowing(one)]
        if not anomalies:
            return []
        reasons = await _with_suppressed(connection, partition, rows, anomalies)
        allowing = [one for one in active if is_allowing(one)]
        judged = [_Judged(rows[place], verdict) for place, verdict in verdicts_of(rulebook, reasons, allowing)]
        await self._insert_anomalies(connection, partition, [(rows[r.raised.place], r) for r in reasons])
        await self._insert_verdicts(connection, partition, rulebook, judged)
        return [reason.raised.version.rule.id for reason in reasons]

    async def _insert_anomalies(
        self, connection: asyncpg.Connection, partition: int, found: Sequence[tuple[TransactionRow, Reason]]
    ) -> None:
        await connection.execute(
            _INSERT,
            self._clock(),
            partition,
            [row.transaction_id for row, _ in found],
            [row.user_id for row, _ in found],
            [decimal_from_cents(row.amount_cents) for row, _ in found],
            [reason.raised.score for _, reason in found],
            [reason.raised.version.rule.id for _, reason in found],
            [reason.raised.description for _, reason in found],
            [row.timestamp for row, _ in found],
            [reason.raised.threshold for _, reason in found],
            [reason.raised.version.version for _, reason in found],
            [reason.raised.version.rule.severity for _, reason in found],
            [reason.suppressed for _, reason in found],
            [row.source_offset for row, _ in found],
        )

    async def _insert_shadows(
        self, connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow], raised: Sequence[Raised]
    ) -> None:
        await connection.execute(
            _INSERT_SHADOW,
            self._clock(),
            partition,
            [rows[one.place].transaction_id for one in raised],
            [one.version.rule.id for one in raised],
            [one.version.version for one in raised],
            [rows[one.place].user_id for one in raised],
            [decimal_from_cents(rows[one.place].amount_cents) for one in raised],
            [one.score for one in raised],
            [one.measure for one in raised],
            [one.threshold for one in raised],
            [one.description for one in raised],
            [rows[one.place].timestamp for one in raised],
            [rows[one.place].source_offset for one in raised],
        )

    async def _insert_verdicts(
        self, connection: asyncpg.Connection, partition: int, rulebook: Rulebook, judged: Sequence[_Judged]
    ) -> None:
        await connection.execute(
            _INSERT_VERDICTS,
            self._clock(),
            partition,
            rulebook.edition,
            [row.transaction_id for row, _ in judged],
            [row.user_id for row, _ in judged],
            [decimal_from_cents(row.amount_cents) for row, _ in judged],
            [row.timestamp for row, _ in judged],
            [verdict.risk_score for _, verdict in judged],
            [verdict.action for _, verdict in judged],
            [verdict.severity for _, verdict in judged],
            [_reasons_json(verdict) for _, verdict in judged],
            [verdict.opens_case for _, verdict in judged],
            [row.source_offset for row, _ in judged],
        )


_COUNT_ANOMALIES: Final = "SELECT count(*) FROM transaction_anomalies WHERE transaction_id = $1"
_EDITION_OF: Final = """
SELECT coalesce((
    SELECT edition FROM judged_from WHERE topic = 'transactions' AND partition = $1 AND first_offset <= $2
    ORDER BY first_offset DESC LIMIT 1), 1)"""


async def _edition_of(connection: asyncpg.Connection, partition: int, offset: int) -> int:
    edition: int = await connection.fetchval(_EDITION_OF, partition, offset)
    return edition


async def _complete(
    connection: asyncpg.Connection,
    rule: StatefulRule[Any],
    partition: int,
    rows: Sequence[TransactionRow],
    known: Sequence[int | None],
) -> list[int]:
    """Completes the measures with those that only PostgreSQL knows."""
    unknown = [row for row, measure in zip(rows, known, strict=True) if measure is None]
    if not unknown:
        return [measure for measure in known if measure is not None]
    counted = iter(await count(connection, rule, partition, unknown))
    return [next(counted) if measure is None else measure for measure in known]


async def _with_suppressed(
    connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow], raised: Sequence[Raised]
) -> list[Reason]:
    """Marks what repeats an anomaly of user and rule that counted, within the cool-down before the order's time."""
    cooling = [one for one in raised if one.version.rule.cooldown_minutes]
    if not cooling:
        return [Reason(one, False) for one in raised]
    asked = [(rows[one.place], one) for one in cooling]
    counted = await _counted_before(connection, partition, rows[0].source_offset, asked)
    return reasons_of(rows, raised, counted)


async def _counted_before(
    connection: asyncpg.Connection, partition: int, before: int, asked: Sequence[tuple[TransactionRow, Raised]]
) -> defaultdict[tuple[str, str], list[datetime]]:
    """Returns the times of stored anomalies that counted, by user and rule."""
    found = await connection.fetch(
        _COUNTED,
        partition,
        [row.user_id for row, _ in asked],
        [one.version.rule.id for _, one in asked],
        [row.timestamp - timedelta(minutes=one.version.rule.cooldown_minutes) for row, one in asked],
        [row.timestamp for row, _ in asked],
        before,
    )
    times: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for user_id, rule_id, time in found:
        times[user_id, rule_id].append(time)
    return times


def _reasons_json(verdict: Verdict) -> str:
    """The reasons as they are stored and served: numbers are texts, so that nobody rounds them."""
    reasons = [(reason.raised, reason.suppressed, True) for reason in verdict.reasons]
    reasons += [(raised, False, False) for raised in verdict.allowed_by]
    return orjson.dumps(
        [
            {
                "rule_id": raised.version.rule.id,
                "rule_version": raised.version.version,
                "name": raised.version.rule.name,
                "severity": raised.version.rule.severity,
                "weight": raised.version.rule.weight if counts else 0,
                "measure": str(raised.measure),
                "threshold": str(raised.threshold),
                "description": raised.description,
                "suppressed": suppressed,
            }
            for raised, suppressed, counts in reasons
        ]
    ).decode()
