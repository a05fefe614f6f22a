"""How a command ends when it fails, when it is interrupted, or while another one holds the lock it needs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from app.errors import LockHeldError

#: sysexits' EX_TEMPFAIL: the same command works later.
EXIT_LOCKED: Final = 75
EXIT_INTERRUPTED: Final = 130
_FIRST: Final = b"\nInterrupted: stopping; press Ctrl-C again to end at once\n"
_SECOND: Final = b"\nEnded at once\n"
_STDERR: Final = 2


def print_error(text: str) -> None:
    """Prints why a command fails, on standard error."""
    Console(stderr=True).print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True)


def print_warning(text: str) -> None:
    """Prints what the author of a change should know, to standard error."""
    Console(stderr=True).print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)


@contextmanager
def exits_while_locked() -> Iterator[None]:
    """Prints who holds the lock and exits with 75."""
    try:
        yield
    except LockHeldError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_LOCKED) from error


@contextmanager
def interrupts_handled() -> Iterator[None]:
    """Handles interrupts within the block, unless the process was started with Ctrl-C ignored.

    The end in order waits for threads of the stores' clients, possibly for long and without any output. Commands with
    their own handler replace this one.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = _Interrupts()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Interrupts:
    """Writes unbuffered: a line may be half written when the signal arrives."""

    def __init__(self) -> None:
        self._interrupted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            os.write(_STDERR, _SECOND)
            os._exit(EXIT_INTERRUPTED)
        self._interrupted = True
        os.write(_STDERR, _FIRST)
        raise KeyboardInterrupt
