"""How tests wait: for a condition and not for a time, and so long that no machine is too slow for it.

A wait ends as soon as its condition holds, so a large limit costs nothing where all goes well. Whoever waits for a
process also watches it, so that one that has ended is noticed at once.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

#: When a wait gives up: what takes seconds on an idle machine takes minutes on a slow and busy one.
PATIENCE_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 0.05

#: For a program that takes many patient steps: a whole night on a cluster, a whole demo.
PROGRAM_SECONDS: Final = 3 * PATIENCE_SECONDS

#: Limits of the product that only a slow machine reaches, for processes whose limits are not what is tested.
PATIENT: Final[Mapping[str, str]] = {
    "GLOBALMART_API_QUERY_SECONDS": str(PATIENCE_SECONDS),
    "GLOBALMART_API_RUN_PREPARE_SECONDS": str(PATIENCE_SECONDS),
    "GLOBALMART_DASHBOARD_API_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
    "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "60",
    "GLOBALMART_POSTGRES_COMMAND_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
    "GLOBALMART_POSTGRES_CONNECT_TIMEOUT_SECONDS": "60",
    "GLOBALMART_WORKER_STOP_SECONDS": str(PATIENCE_SECONDS),
    "GLOBALMART_WORKER_WATCHDOG_SECONDS": str(PATIENCE_SECONDS),
}


def wait_until(
    true: Callable[[], object], otherwise: Callable[[], str] = str, *, look_seconds: float = _LOOK_SECONDS
) -> None:
    """Return once `true` answers with something true; fails with what `otherwise` says."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, _given_up(otherwise)
        time.sleep(look_seconds)


async def until(
    true: Callable[[], Any], otherwise: Callable[[], str] = str, *, look_seconds: float = _LOOK_SECONDS
) -> None:
    """The same in a loop of asyncio; `true` may answer with a coroutine."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = true()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert time.monotonic() < deadline, _given_up(otherwise)
        await asyncio.sleep(look_seconds)


def _given_up(otherwise: Callable[[], str]) -> str:
    return f"not within {PATIENCE_SECONDS:.0f} s: {otherwise()}"
