"""One Spark session for all tests of the batch, and a MongoDB-protocol server of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from app.settings import BatchSettings
from batch.session import spark_session
from compose.embedded.stack import EmbeddedStack, remove_stack


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session, as the nightly run makes it."""
    settings = BatchSettings.read({"GLOBALMART_BATCH_MEMORY": "1g"})
    with spark_session(settings, tmp_path_factory.mktemp("spark")) as session:
        yield session


@pytest.fixture(scope="session")
def mongo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """The warehouse's server on a free port, empty, shared by the tests of the batch."""
    var_dir: Path = tmp_path_factory.mktemp("warehouse")
    with EmbeddedStack(var_dir, services=("mongo",), preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)
