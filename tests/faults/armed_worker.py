"""A worker that harms itself at a named point: `faust -A tests.faults.armed_worker worker`.

Variables: FAULT_POINT (one or more, comma separated), FAULT_ACTION (kill, stop, disconnect, exception, bug, stall),
FAULT_AFTER (at which pass of the first point, 1 is the first; each further point is left alone two passes longer),
FAULT_TOPIC (passes of other topics do not count; transactions if absent). Or FAULT_FILE alone: a file that may appear
at any time and says `POINT ACTION`.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from app.settings import load_settings
from app.sink.fault_points import FaultPoint, FaultPoints
from app.topics import TRANSACTIONS
from app.worker import create_app


async def _kill(connection: asyncpg.Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _stop(connection: asyncpg.Connection) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def _disconnect(connection: asyncpg.Connection) -> None:
    connection.terminate()


async def _exception(connection: asyncpg.Connection) -> None:
    raise asyncpg.DeadlockDetectedError("deadlock on purpose")


async def _bug(connection: asyncpg.Connection) -> None:
    raise ZeroDivisionError("a bug on purpose")


async def _stall(connection: asyncpg.Connection) -> None:
    await asyncio.Event().wait()


_ACTIONS: Final = {
    "kill": _kill,
    "stop": _stop,
    "disconnect": _disconnect,
    "exception": _exception,
    "bug": _bug,
    "stall": _stall,
}


class ArmedFaults:
    """Does harm once at each point, at its n-th pass."""

    def __init__(
        self, passes: Mapping[FaultPoint, int], harm: Callable[[asyncpg.Connection], Awaitable[None]], topic: str
    ) -> None:
        self._passes_left = dict(passes)
        self._harm = harm
        self._topic = topic

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Count down to the harm."""
        if topic != self._topic or point not in self._passes_left:
            return
        self._passes_left[point] -= 1
        if self._passes_left[point] == 0:
            await self._harm(connection)


class CommandedFaults:
    """Does the harm a file asks for, once, at the next pass of the point; the file is gone before it is done."""

    def __init__(self, order: Path) -> None:
        self._order = order

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Look for an order."""
        if not self._order.exists():
            return
        wanted, action = self._order.read_text().split()
        if wanted == point:
            self._order.unlink()
            await _ACTIONS[action](connection)


def armed_faults(environ: Mapping[str, str]) -> FaultPoints:
    """The faults the environment asks for."""
    if order := environ.get("FAULT_FILE"):
        return CommandedFaults(Path(order))
    first = int(environ["FAULT_AFTER"])
    points = environ["FAULT_POINT"].split(",")
    passes = {FaultPoint(point): first + 2 * place for place, point in enumerate(points)}
    harm = _ACTIONS[environ["FAULT_ACTION"]]
    return ArmedFaults(passes, harm, environ.get("FAULT_TOPIC", TRANSACTIONS))


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    app = create_app(load_settings(), faults=armed_faults(os.environ))
    globals()["app"] = app
    return app
