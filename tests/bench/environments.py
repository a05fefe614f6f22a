"""What contenders of the benchmark have in common: their environment, the worker's command and its progress."""

import os
import sys
from typing import Final

from app.settings import ENV_PREFIX
from compose.embedded.stack import EmbeddedStack

FAUST: Final = (sys.executable, "-m", "faust", "-A")
WORKER: Final = (*FAUST, "app.worker", "worker", "-l", "info")
#: Transactions that are committed.
LEDGER: Final = "SELECT coalesce(sum(consumed), 0) FROM stream_progress WHERE topic = 'transactions'"


def child_environment(stack: EmbeddedStack) -> dict[str, str]:
    """The embedded servers and nothing of the user's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**inherited, **stack.environment()}
