"""A shop in real PostgreSQL, nightly runs on it, and what a reader of the warehouse sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bson.decimal128 import Decimal128
from pymongo import MongoClient
from pyspark.sql import SparkSession

from app.settings import Settings
from batch.nightly import Job, Outcome, run_batch
from batch.sources import LAKE_TABLES, LakeTable
from batch.warehouse_writer import POINTER, RUNS, Document, visible
from tests.batch.generated import Row, Shop
from tests.support.databases import Database
from tests.support.waiting import PATIENT

_ROLLUP = """
    DELETE FROM sales_daily;
    INSERT INTO sales_daily
    SELECT date_trunc('day', timestamp, 'UTC'), source_partition, name_or_unknown(category), name_or_unknown(country),
        count(*), sum(total_amount)
    FROM transactions GROUP BY 1, 2, 3, 4"""


@dataclass(frozen=True)
class Nights:
    """One PostgreSQL database, one lake and one warehouse."""

    database: Database
    variables: Mapping[str, str]
    spark: SparkSession
    mongo: MongoClient[Document]

    @property
    def settings(self) -> Settings:
        """What the variables say."""
        return Settings(self.variables)

    async def insert(self, source: LakeTable, rows: Sequence[Row]) -> None:
        """Store rows as the stream does: with their rollup."""
        columns = [*source.columns, "source_partition"]
        records = [(*(row.get(name) for name in source.columns), 0) for row in rows]
        async with self.database.owner() as connection, connection.transaction():
            await connection.copy_records_to_table(source.name, records=records, columns=columns)
            await connection.execute(_ROLLUP)

    async def insert_shop(self, shop: Shop) -> None:
        """All of a shop."""
        for source in LAKE_TABLES.values():
            await self.insert(source, shop.rows(source))

    async def execute(self, statement: str) -> None:
        """SQL as the owner."""
        async with self.database.owner() as connection:
            await connection.execute(statement)

    def run(
        self, as_of: date, job: str = "nightly", *, full: bool = False, report: Callable[[str], None] = lambda _: None
    ) -> Outcome:
        """One run in the tests' Spark session; `report` is called at its steps and may meddle."""
        return run_batch(self.settings, Job(job, as_of, full), report, self.spark)

    @property
    def pointer(self) -> Document:
        """The pointer document that readers use."""
        return self.mongo[self.settings.mongo.database][POINTER].find_one() or {}

    @property
    def log(self) -> list[Document]:
        """All runs, oldest first."""
        return list(self.mongo[self.settings.mongo.database][RUNS].find().sort("started", 1))

    def documents(self, mart: str) -> list[Document]:
        """A mart as a reader of the published run sees it, keys of its own taken out."""
        return self.documents_of(self.pointer["marts"][mart], mart)

    def documents_of(self, entry: Document, mart: str) -> list[Document]:
        """A mart as a reader who holds this entry of a pointer sees it."""
        fact = mart.startswith("fact_")
        found = self.mongo[self.settings.mongo.database][entry["collection"]].find(
            visible(entry["version"]) if fact else {}
        )
        return [_plain(document) for document in found]

    def everything(self) -> dict[str, list[Document]]:
        """All marts a reader sees who asks for the pointer once, in an order of their own."""
        return {
            mart: sorted(self.documents_of(entry, mart), key=str)
            for mart, entry in sorted(self.pointer["marts"].items())
        }


def _plain(document: Document) -> Document:
    return {
        name: value.to_decimal() if isinstance(value, Decimal128) else value
        for name, value in document.items()
        if name not in ("_id", "since", "until")
    }


def assert_published(nights: Nights, wanted: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The warehouse shows exactly these rows of these marts, in whatever order; what it shows."""
    found = nights.everything()
    assert found.keys() == wanted.keys()
    for mart, rows in wanted.items():
        ours, theirs = _ordered(found[mart]), _ordered(in_milliseconds(rows))
        different = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
        assert (len(ours), different) == (len(theirs), []), (mart, len(ours), len(theirs), different[:3])
    return found


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(({name: row[name] for name in sorted(row)} for row in rows), key=str)


def in_milliseconds(rows: Sequence[Row]) -> list[Row]:
    """Times as MongoDB keeps them."""

    def cut(value: Any) -> Any:
        if hasattr(value, "microsecond"):
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        return value

    return [{name: cut(value) for name, value in row.items()} for row in rows]


def plain_environment(environ: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Variables of a child process: none of GLOBALMART's but ours."""
    inherited = {n: value for n, value in environ.items() if not n.startswith("GLOBALMART_")}
    return {**inherited, **ours, "GLOBALMART_ENV_FILE": "", "PYTHONPATH": str(Path(__file__).parents[2])}


def variables_of_a_night(database: Database, mongo_url: str, var_dir: Path) -> dict[str, str]:
    """Variables for one test: its PostgreSQL database, its warehouse, its lake."""
    postgres = database.postgres
    assert postgres.reader_password is not None
    return {
        **PATIENT,
        "GLOBALMART_VAR_DIR": str(var_dir),
        "GLOBALMART_MONGO_URL": mongo_url,
        "GLOBALMART_MONGO_DATABASE": f"warehouse_{database.name}",
        "GLOBALMART_POSTGRES_HOST": postgres.host,
        "GLOBALMART_POSTGRES_PORT": str(postgres.port),
        "GLOBALMART_POSTGRES_DATABASE": postgres.database,
        "GLOBALMART_POSTGRES_READER_USER": postgres.reader_user,
        "GLOBALMART_POSTGRES_READER_PASSWORD": postgres.reader_password.get_secret_value(),
        "GLOBALMART_BATCH_MAX_STALENESS_DAYS": "10",
        "GLOBALMART_BATCH_EXTRACT_ROWS": "200",
        "GLOBALMART_BATCH_MEMORY": "1g",
        "GLOBALMART_BATCH_SHUFFLE_PARTITIONS": "2",
    }
