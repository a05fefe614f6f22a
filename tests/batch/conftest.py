"""One Spark session for all tests of the batch, and nightly runs on the run's servers."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from pathlib import Path

import pytest
from pymongo import MongoClient
from pyspark.sql import SparkSession

from app.settings import BatchSettings
from batch.session import spark_session
from batch.warehouse_writer import Document
from compose.embedded.stack import EmbeddedStack
from tests.batch.nights import Nights, variables_of_a_night
from tests.support.databases import Database, database

__all__ = ["database"]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session, as a small night's run makes it."""
    settings = BatchSettings(memory="1g", shuffle_partitions=2)
    with spark_session(settings, tmp_path_factory.mktemp("spark"), small=True) as session:
        yield session


@pytest.fixture
async def nights(
    database: Database, stack: EmbeddedStack, spark: SparkSession, tmp_path: Path
) -> AsyncIterator[Nights]:
    """Empty stores and nightly runs on them.

    The warehouse has a name of its own and goes with the server: dropping takes the embedded one a minute.
    """
    variables = variables_of_a_night(database, stack.mongo.url, tmp_path)
    mongo: MongoClient[Document] = MongoClient(stack.mongo.url, tz_aware=True, tzinfo=UTC)
    with mongo:
        yield Nights(database, variables, spark, mongo)
