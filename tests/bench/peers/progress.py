"""Waiting for a contender: until it has done so much, or until it is done."""

import asyncio
import subprocess
from time import monotonic
from typing import Final

import asyncpg

from tests.bench.measuring import ContenderError
from tests.bench.peers.servers import ContenderRun

_LOOK_SECONDS: Final = 0.25
_PATIENCE_SECONDS: Final = 300.0


async def wait_for_progress(
    connection: asyncpg.Connection, run: ContenderRun, process: subprocess.Popen[bytes], more_than: int
) -> float:
    """Wait until more events than that are committed; returns the seconds it took.

    Raises ContenderError when the contender ends or nothing more is committed for a long time.
    """
    began = moved = monotonic()
    last = -1
    while True:
        events = int(await connection.fetchval(run.peer.progress))
        if events > more_than:
            return monotonic() - began
        if events != last:
            last, moved = events, monotonic()
        _check(run, process, events, moved)
        await asyncio.sleep(_LOOK_SECONDS)


async def wait_until_still(
    connection: asyncpg.Connection,
    run: ContenderRun,
    process: subprocess.Popen[bytes],
    at_least: int,
    still_seconds: float,
) -> None:
    """Wait until at least so many events are committed and no more for some seconds; raises ContenderError."""
    last, moved = -1, monotonic()
    while last < at_least or monotonic() - moved < still_seconds:
        events = int(await connection.fetchval(run.peer.progress))
        if events != last:
            last, moved = events, monotonic()
        _check(run, process, events, moved)
        await asyncio.sleep(_LOOK_SECONDS)


def _check(run: ContenderRun, process: subprocess.Popen[bytes], events: int, moved: float) -> None:
    tail = run.log.read_text(errors="replace")[-2000:] if run.log.exists() else ""
    if process.poll() is not None:
        raise ContenderError(f"{run.peer.name} died\n{tail}")
    if monotonic() - moved > _PATIENCE_SECONDS:
        raise ContenderError(f"{run.peer.name} is stuck at {events:,} events\n{tail}")
