"""Row counts and order-independent checksums, by which the content of two stores can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1"""
_CHECKSUM: Final = """
SELECT count(*), coalesce(sum(hashtextextended(t::TEXT, 0)::NUMERIC), 0)::NUMERIC(60, 0)::TEXT
FROM {table} t"""
#: The text of a row depends on these.
_SESSION: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """Number of rows or documents of one table or collection, and the sum of their hashes."""

    rows: int
    checksum: str


async def tables(connection: asyncpg.Connection) -> list[str]:
    """Returns the names of all tables of the schema."""
    return [row[0] for row in await connection.fetch(_TABLES)]


async def checksums(connection: asyncpg.Connection) -> dict[str, Checksum]:
    """Returns the checksum of every table in the current snapshot; reads everything."""
    for name, value in _SESSION.items():
        await connection.execute(f"SET {name} = '{value}'")
    found = {}
    for table in await tables(connection):
        for rows, checksum in await connection.fetch(_CHECKSUM.format(table=table)):
            found[table] = Checksum(rows, checksum)
    return found


def differences(expected: Mapping[str, Checksum], found: Mapping[str, Checksum]) -> list[str]:
    """Returns a sentence for each table or collection that differs."""
    return [
        f"{name}: {_text(found.get(name))}, the backup has {_text(expected.get(name))}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]


def from_plain(content: Mapping[str, Any]) -> dict[str, Checksum]:
    """Reverses `asdict`, by name."""
    return {name: Checksum(**fields) for name, fields in content.items()}


def _text(found: Checksum | None) -> str:
    return "nothing" if found is None else f"{found.rows} rows ({found.checksum})"
