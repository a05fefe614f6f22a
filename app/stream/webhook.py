"""The webhook: sends new cases in the order of their commits, at least once, with a signed request for each.

Cases commit out of the order of their ids, so one worker at a time numbers committed ones; the progress in PostgreSQL
survives restarts. A receiver that fails or is slow delays later cases, and nothing else of the worker.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import asyncpg
import orjson
from mode import Service
from mode.utils.logging import get_logger

from app.errors import text_of
from app.fraud.rules import SEVERITIES
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.security import shown_address
from app.settings import FraudSettings, PostgresSettings
from app.sink.connection import SinkConnection
from app.sink.failures import Failure, classify
from app.stream.backoff import Backoff

SIGNATURE_HEADER: Final = "GlobalMart-Signature"
EVENT: Final = "case.opened"
logger = get_logger(__name__)
_POLL_SECONDS: Final = 1.0
_NUMBERED_AT_ONCE: Final = 1_000
#: Few: what is read is sent as it was, even if its user is erased meanwhile.
_READ_AT_ONCE: Final = 20
#: Any constant; the worker whose session holds the lock sends. It is released with the session.
_ADVISORY_LOCK: Final = 7_116_021_909
_TAKE_TURN: Final = "SELECT pg_try_advisory_lock($1)"
_NUMBER: Final = """
WITH progress AS (
    SELECT numbered_position AS last FROM webhook_progress FOR UPDATE
), batch AS (
    SELECT case_id, row_number() OVER (ORDER BY case_id) AS place FROM (
        SELECT case_id FROM cases WHERE position IS NULL ORDER BY case_id LIMIT $1
    ) AS unnumbered
), numbered AS (
    UPDATE cases c SET position = last + place FROM batch, progress WHERE c.case_id = batch.case_id RETURNING place
)
UPDATE webhook_progress SET numbered_position = numbered_position + (SELECT count(*) FROM numbered)
WHERE EXISTS (SELECT FROM numbered)"""
#: The columns are the message's fields, in their order.
_NEXT: Final = """
SELECT c.position, c.case_id, c.transaction_id, v.user_id, v.amount, v.risk_score, v.action, v.severity, v.reasons,
    v.event_time, c.opened_at
FROM cases c JOIN verdicts v USING (transaction_id)
WHERE c.position > (SELECT told_position FROM webhook_progress) AND c.severity = ANY($1::TEXT[])
ORDER BY c.position LIMIT $2"""
#: Cases below the set severity are passed over.
_SKIP: Final = """
UPDATE webhook_progress SET told_position = numbered_position, updated_at = CURRENT_TIMESTAMP
WHERE told_position < numbered_position AND NOT EXISTS (
    SELECT FROM cases WHERE position > told_position AND severity = ANY($1::TEXT[]))"""
_DELIVERED: Final = """
UPDATE webhook_progress SET told_position = $1, updated_at = CURRENT_TIMESTAMP WHERE told_position < $1"""
_WAITING: Final = "SELECT numbered_position - told_position FROM webhook_progress"


class DeliveryError(Exception):
    """The receiver did not answer, or with another status than 2xx."""


def signature(secret: str, body: bytes, at_seconds: int) -> str:
    """The signature header: `t=<Unix time>,v1=<hexadecimal HMAC-SHA-256 of "<time>.<body>">`."""
    signed = f"{at_seconds}.".encode() + body
    return f"t={at_seconds},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def message(row: Any) -> bytes:
    """The JSON of a case: its columns in their order; amounts are exact numbers, `position` rises by case."""
    exact = {"amount": orjson.Fragment(str(row["amount"])), "reasons": orjson.Fragment(row["reasons"])}
    return orjson.dumps({"type": EVENT, **row, **exact}, option=orjson.OPT_UTC_Z)


class Webhook(Service):
    """Runs in every worker if a URL is set; the advisory lock allows one at a time to send."""

    abstract = False

    def __init__(
        self,
        postgres: PostgresSettings,
        fraud: FraudSettings,
        metrics: WorkerMetrics,
        clock: Callable[[], float],
        **kwargs: Any,
    ) -> None:
        """`clock` is Unix time in seconds."""
        super().__init__(**kwargs)
        self._fraud = fraud
        self._retry_max_seconds = max(postgres.retry_max_seconds, fraud.webhook_retry_max_seconds)
        self._severities = list(SEVERITIES[SEVERITIES.index(fraud.webhook_severity) :])
        self._metrics = metrics
        self._clock = clock
        self._holder: asyncpg.Connection | None = None
        self._connection = SinkConnection(lambda: connect_worker(postgres, "globalmart-worker webhook"))

    async def on_stop(self) -> None:
        """Closes the connection; a case whose answer was not seen is sent again."""
        await self._connection.close()

    @Service.task
    async def _run(self) -> None:
        if not self._fraud.webhook_url:
            return
        timeout = aiohttp.ClientTimeout(total=self._fraud.webhook_timeout_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            backoff = Backoff(self._retry_max_seconds)
            while not self.should_stop:
                try:
                    if not await self._send_batch(session):
                        await asyncio.sleep(_POLL_SECONDS)
                    backoff = Backoff(self._retry_max_seconds)
                except DeliveryError as error:
                    self._metrics.webhook_failures.inc()
                    logger.warning("the webhook failed, retrying: %s", error)
                    await backoff.pause()
                except Exception as error:
                    self._connection.discard()
                    if classify(error) is not Failure.STORE:
                        raise
                    logger.warning("the webhook cannot read its cases, retrying: %r", error)
                    await backoff.pause()

    async def _send_batch(self, session: aiohttp.ClientSession) -> bool:
        """Sends the next cases; returns False if there is none, or if another worker sends them."""
        connection = await self._connection.get()
        if not await self._has_turn(connection):
            return False
        await connection.execute(_NUMBER, _NUMBERED_AT_ONCE)
        await connection.execute(_SKIP, self._severities)
        rows = await connection.fetch(_NEXT, self._severities, _READ_AT_ONCE)
        for row in rows:
            self._metrics.webhook_waiting.set(await connection.fetchval(_WAITING))
            if self.should_stop:
                return False
            await self._deliver(session, message(row))
            await connection.execute(_DELIVERED, row["position"])
            self._metrics.webhook_delivered.inc()
        self._metrics.webhook_waiting.set(await connection.fetchval(_WAITING))
        return bool(rows)

    async def _has_turn(self, connection: asyncpg.Connection) -> bool:
        """Takes the lock of the session once; it is held until the session ends."""
        if self._holder is not connection and await connection.fetchval(_TAKE_TURN, _ADVISORY_LOCK):
            self._holder = connection
        return self._holder is connection

    async def _deliver(self, session: aiohttp.ClientSession, body: bytes) -> None:
        secret = self._fraud.webhook_secret
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers[SIGNATURE_HEADER] = signature(secret.get_secret_value(), body, int(self._clock()))
        try:
            async with session.post(
                self._fraud.webhook_url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise DeliveryError(f"{shown_address(self._fraud.webhook_url)} answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = "no valid address" if isinstance(error, aiohttp.InvalidURL) else text_of(error)
            raise DeliveryError(f"{shown_address(self._fraud.webhook_url)}: {reason}") from error
