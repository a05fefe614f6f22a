"""The errors of a database that is away or not ours, told to an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from app.errors import StoreAwayError
from app.settings import PostgresSettings


@contextmanager
def told_as_away(settings: PostgresSettings) -> Iterator[None]:
    """Turn what a database that is away or not ours raises into StoreAwayError."""
    place = f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise StoreAwayError(
            f"{place} lacks our schema ({error}); run `globalmart migrate`"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        variable = settings.variable("database")
        raise StoreAwayError(
            f"{place} is not there ({error}); create it or correct {variable}"
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        cause = str(error) or type(error).__name__
        raise StoreAwayError(
            f"{place} does not answer ({cause}); start it or correct GLOBALMART_POSTGRES_HOST and _PORT"
        ) from error
