"""Exit code of a command while another one holds the lock it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from app.errors import LockHeldError

#: sysexits' EX_TEMPFAIL: the same command works later.
EXIT_LOCKED: Final = 75


@contextmanager
def exits_while_locked() -> Iterator[None]:
    """Prints who holds the lock and exits with 75."""
    try:
        yield
    except LockHeldError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_LOCKED) from error
