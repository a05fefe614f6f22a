"""Anomalies as server-sent events: in order, once, through reconnects, from a live server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import asyncpg
import httpx

from api.application import create_app
from app.postgres.connections import ANOMALIES_NUMBERED
from compose.embedded.stack import EmbeddedStack
from tests.api.serving import served, with_api
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS

STREAM = "/api/v1/anomalies/stream"
_NUMBER = """
WITH batch AS (
    SELECT id, row_number() OVER (ORDER BY id DESC) AS place FROM transaction_anomalies
    WHERE position IS NULL
), numbered AS (
    UPDATE transaction_anomalies t SET position = (
        SELECT numbered_position FROM outbox_progress WHERE stream = 'anomalies') + batch.place
    FROM batch WHERE t.id = batch.id RETURNING 1
)
UPDATE outbox_progress SET numbered_position = numbered_position + (SELECT count(*) FROM numbered)
WHERE stream = 'anomalies'"""


class Event(NamedTuple):
    """What a client sees of one event."""

    id: int
    transaction_id: str


class Listener:
    """A client of the stream, as a browser's EventSource would be."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.last_id = -1
        self.comments: list[str] = []

    async def block(self) -> dict[str, str]:
        """Fields of the next block, comments noted aside."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line[1:].strip())
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields or self.comments:
                    break
        self.last_id = int(fields.get("id", self.last_id))
        return fields

    async def rest(self) -> list[str]:
        """Lines up to the proper end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [line async for line in self._lines]

    async def events(self, count: int) -> list[Event]:
        """The next so many events."""
        found: list[Event] = []
        while len(found) < count:
            fields = await self.block()
            if fields.get("event") == "anomaly":
                found.append(Event(int(fields["id"]), json.loads(fields["data"])["transaction_id"]))
        return found


@asynccontextmanager
async def listening(address: str, last: int | None = None) -> AsyncIterator[Listener]:
    """A connection to the stream; it has said where it begins."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with (
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", STREAM, headers=headers) as response,
    ):
        listener = Listener(response)
        if response.status_code == 200:
            await listener.block()
        yield listener


@asynccontextmanager
async def api_address(database: Database, **api: object) -> AsyncIterator[str]:
    """The address of an API that would not look by itself within a test."""
    settings = with_api(database.settings, **({"stream_poll_seconds": 10 * PATIENCE_SECONDS} | api))
    async with served(create_app(settings)) as address:
        yield address


async def raise_anomalies(database: Database, first: int, count: int) -> None:
    """Store orders that raise one anomaly each; they have no position yet."""
    rows = [order(first + n, amount_cents=600_000, user_id=f"u{first + n}") for n in range(count)]
    await store(database, rows, start=first)


async def number(database: Database, *, notify: bool = True) -> None:
    """Give the next positions as the outbox does, against the order of the ids."""
    async with database.worker() as connection, connection.transaction():
        await connection.execute(_NUMBER)
        if notify:
            await connection.execute(f"NOTIFY {ANOMALIES_NUMBERED}")


async def _in_order(database: Database) -> list[Event]:
    rows: list[asyncpg.Record] = await database.fetch(
        "SELECT position, transaction_id FROM transaction_anomalies ORDER BY position"
    )
    return [Event(*row) for row in rows]


async def test_a_new_client_hears_what_comes_from_now_on(database: Database) -> None:
    await raise_anomalies(database, 0, 3)
    await number(database)
    async with api_address(database) as address, listening(address) as listener:
        assert listener.last_id == 3
        assert listener.response.headers["content-type"].startswith("text/event-stream")
        await raise_anomalies(database, 3, 2)
        await number(database)
        assert await listener.events(2) == (await _in_order(database))[3:]


async def test_nothing_is_skipped_or_repeated_over_reconnects(database: Database) -> None:
    heard: list[Event] = []
    last: int | None = 0
    async with api_address(database) as address:
        for turn in range(6):
            await raise_anomalies(database, turn * 5, 5)
            await number(database)
            async with listening(address, last) as listener:
                heard += await listener.events(turn + 2)
            last = listener.last_id
        async with listening(address, last) as listener:
            heard += await listener.events(30 - len(heard))
    assert heard == await _in_order(database)


async def test_many_clients_hear_the_same(database: Database) -> None:
    async with api_address(database) as address, listening(address) as one, listening(address) as two:
        await raise_anomalies(database, 0, 4)
        await number(database)
        both = list(await asyncio.gather(one.events(4), two.events(4)))
    assert both == [await _in_order(database)] * 2


async def test_an_event_is_the_anomaly_as_a_page_has_it_with_its_verdict(database: Database) -> None:
    await raise_anomalies(database, 0, 1)
    await number(database)
    async with api_address(database) as address, listening(address, 0) as listener:
        fields = await listener.block()
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS) as client:
            page = (await client.get("/api/v1/anomalies")).json()
    verdict = {"rule_version": 1, "severity": "high", "suppressed": False, "risk_score": 40, "action": "review"}
    assert json.loads(fields["data"]) == page["anomalies"][0] | verdict
    assert (fields["id"], fields["event"]) == ("1", "anomaly")


async def test_without_a_notification_it_looks_by_itself(database: Database) -> None:
    async with api_address(database, stream_poll_seconds=0.05) as address, listening(address) as listener:
        await raise_anomalies(database, 0, 1)
        await number(database, notify=False)
        assert len(await listener.events(1)) == 1


async def test_a_quiet_stream_has_a_heartbeat(database: Database) -> None:
    settings = {"stream_poll_seconds": 0.02, "stream_heartbeat_seconds": 0.05}
    async with api_address(database, **settings) as address, listening(address) as listener:
        assert await listener.block() == {}
    assert listener.comments == ["heartbeat"]


async def test_it_goes_on_when_the_store_is_back(database: Database, stack: EmbeddedStack) -> None:
    settings = {"stream_poll_seconds": 0.05, "stream_heartbeat_seconds": 0.05}
    async with api_address(database, **settings) as address, listening(address) as listener:
        stack.postgres.stop()
        try:
            while "waiting for postgresql" not in listener.comments:
                await listener.block()
        finally:
            stack.postgres.start()
        await raise_anomalies(database, 0, 2)
        await number(database)
        assert await listener.events(2) == await _in_order(database)


async def test_no_more_streams_than_the_setting_says(database: Database) -> None:
    async with (
        api_address(database, stream_clients_max=1) as address,
        listening(address),
        listening(address) as refused,
    ):
        assert refused.response.status_code == 429
        assert refused.response.headers["content-type"] == "application/problem+json"


async def test_a_position_of_another_database_does_not_silence_a_client(database: Database) -> None:
    async with api_address(database) as address, listening(address, 10**12) as listener:
        await raise_anomalies(database, 0, 1)
        await number(database)
        assert len(await listener.events(1)) == 1


async def test_a_server_that_stops_ends_its_streams(database: Database) -> None:
    async with AsyncExitStack() as client:
        async with api_address(database) as address:
            listener = await client.enter_async_context(listening(address))
        assert await listener.rest() == []
