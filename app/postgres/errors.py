"""The errors of a database that is away or not ours, told to an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from app.errors import StoreUnavailableError
from app.settings import PostgresSettings


@contextmanager
def translate_errors(settings: PostgresSettings) -> Iterator[None]:
    """Turn what a database that is away or not ours raises into StoreUnavailableError."""
    place = f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise StoreUnavailableError(f"{place} lacks our schema ({error}); run `globalmart migrate`") from error
    except asyncpg.InvalidCatalogNameError as error:
        variable = settings.variable("database")
        raise StoreUnavailableError(f"{place} is not there ({error}); create it or correct {variable}") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        cause = str(error) or type(error).__name__
        raise StoreUnavailableError(
            f"{place} does not answer ({cause}); start it or correct GLOBALMART_POSTGRES_HOST and _PORT"
        ) from error
