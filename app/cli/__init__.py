"""The `globalmart` command line: one table of commands, one module each, imported when it is called.

Exit codes: 0 success, 1 a failure or a difference, 2 wrong usage or settings, 130 interrupted, 143 ended by SIGTERM.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from app.cli.commands import build_app, explained
from app.cli.exits import EXIT_INTERRUPTED, interrupts_handled, print_error
from app.errors import GlobalMartError, SettingsError, text_of

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits the process; prints a GlobalMartError without a stack trace."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Without a handler the first process of a container ignores SIGTERM; long-running commands replace it.
    signal.signal(signal.SIGTERM, _exit)
    try:
        with interrupts_handled():
            build_app(arguments)(list(arguments), prog_name="globalmart")
    except GlobalMartError as error:
        print_error(text_of(error))
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILURE)
    except ModuleNotFoundError as error:
        message = explained(error, list(arguments))
        if message is None:
            raise
        print_error(message)
        sys.exit(EXIT_FAILURE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _exit(number: int, frame: FrameType | None) -> None:
    """Exits through all clean-ups."""
    sys.exit(EXIT_TERMINATED)
