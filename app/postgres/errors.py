"""Translates errors of an unavailable or foreign database into messages for an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from app.errors import StoreUnavailableError
from app.settings import PostgresSettings


@contextmanager
def translate_errors(settings: PostgresSettings) -> Iterator[None]:
    """Raises StoreUnavailableError for the errors of a database that does not answer or has another schema."""
    place = f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise StoreUnavailableError(f"{place} does not have the schema ({error}); run `globalmart migrate`") from error
    except asyncpg.InvalidCatalogNameError as error:
        variable = settings.variable("database")
        raise StoreUnavailableError(f"{place} does not exist ({error}); create it or correct {variable}") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        cause = str(error) or type(error).__name__
        raise StoreUnavailableError(
            f"{place} does not answer ({cause}); start it or correct GLOBALMART_POSTGRES_HOST and _PORT"
        ) from error
