"""Errors of a run: logs its outcome, and translates libraries' errors into ones that name the store."""

from collections.abc import Iterator
from contextlib import contextmanager

from adbc_driver_postgresql import dbapi
from py4j.protocol import Py4JError
from pymongo.errors import PyMongoError
from pyspark.errors import PySparkException

from app.errors import LakeError, PublishError, text_of
from app.published_run import cause_of
from app.settings import MongoSettings, PostgresSettings
from batch.publish import now_utc
from batch.warehouse_writer import Run


@contextmanager
def logged(run: Run) -> Iterator[None]:
    """Logs the outcome of the block."""
    try:
        yield
    except BaseException as error:
        parts = (type(error).__name__, str(error).strip())
        run.end("failed", now_utc(), ": ".join(filter(None, parts)))
        raise
    run.end("published", now_utc())


@contextmanager
def translate_errors(postgres: PostgresSettings, mongo: MongoSettings) -> Iterator[None]:
    """Translates the libraries' errors into ones that name the store and its settings."""
    try:
        yield
    except PyMongoError as error:
        raise PublishError(
            f"MongoDB failed, the published run stays: {cause_of(error)}. Start it, or correct {mongo.variable('url')}"
        ) from error
    except (PySparkException, Py4JError) as error:
        raise PublishError(f"Spark failed, the published run stays: {text_of(error)}") from error
    except dbapi.Error as error:
        place = f"{postgres.host}:{postgres.port}/{postgres.database}"
        cause = " ".join(text_of(error).split())  # libpq's messages have line breaks and tabs
        raise LakeError(
            f"PostgreSQL failed, the published run stays: {cause} Start it, or correct GLOBALMART_POSTGRES_HOST, "
            f"_PORT and _DATABASE ({place})"
        ) from error
