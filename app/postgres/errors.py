"""Translates errors of an unavailable or foreign database into messages for an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from app.errors import StoreUnavailableError, text_of
from app.settings import PostgresSettings


@contextmanager
def translate_errors(settings: PostgresSettings) -> Iterator[None]:
    """Raises StoreUnavailableError for the errors of a database that does not answer or has another schema."""
    place = f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise StoreUnavailableError(
            f"{place} does not have the schema ({text_of(error)}); run `globalmart migrate`"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        variable = settings.variable("database")
        raise StoreUnavailableError(
            f"{place} does not exist ({text_of(error)}); create it or correct {variable}"
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailableError(
            f"{place} does not answer ({text_of(error)}); start it or correct GLOBALMART_POSTGRES_HOST and _PORT"
        ) from error
