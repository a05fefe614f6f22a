"""What the commands of the fraud desk share: the login, the author, what is read and printed."""

import getpass
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.table import Table

from app.cli.exits import print_error
from app.errors import SettingsError
from app.fraud.rule_errors import InvalidRuleError, UnknownNameError
from app.fraud.texts import MAX_NAME
from app.postgres.connections import connect_desk, translate_errors
from app.postgres.migrate import require_schema
from app.settings import Settings

#: What is asked for is not valid; standard error has the field and the fix.
EXIT_INVALID: Final = 2
STDIN: Final = "-"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands with the edition.")]


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Prints what is not valid or not there, and exits with 2."""
    try:
        yield
    except (InvalidRuleError, UnknownNameError) as error:
        print_error(str(error))
        raise typer.Exit(EXIT_INVALID) from error


@asynccontextmanager
async def desk_connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the desk's role.

    Raises SettingsError without its password, SchemaError for a schema of another version, StoreUnavailableError.
    """
    with translate_errors(settings.postgres):
        connection = await connect_desk(settings.postgres, "globalmart-desk")
        try:
            await require_schema(connection)
            yield connection
        finally:
            await connection.close(timeout=settings.postgres.connect_timeout_seconds)


def author() -> str:
    """Who changes something here: the user of the operating system, or its number where it has no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return f"cli:{name}"[:MAX_NAME]


def content_of(place: str) -> bytes:
    """The bytes of a file, or of standard input for `-`; raises SettingsError."""
    if place == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{place} cannot be read ({error.strerror}): give a file, or - for standard input"
        ) from error


def print_json(document: Any) -> None:
    """Prints a document; times are UTC."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=_text) + "\n")


def shown_time(moment: datetime | None) -> str:
    """A time in a table, UTC; "-" for none."""
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def table_of(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; the columns `right` are figures."""
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    return table


def _text(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.isoformat().replace("+00:00", "Z")
