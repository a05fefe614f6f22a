"""What a command does while another one holds the lock it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from app.errors import LockHeldError

#: sysexits' EX_TEMPFAIL: the same command works later.
EXIT_LOCKED: Final = 75


@contextmanager
def exits_while_locked() -> Iterator[None]:
    """Tell who holds the lock and exit with 75."""
    try:
        yield
    except LockHeldError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_LOCKED) from error
