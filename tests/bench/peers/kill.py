"""One `kill -9` in the middle of a backlog, a restart, and what is missing or too much afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from tests.bench.peers.judge import Verdict, judge
from tests.bench.peers.progress import wait_for_progress, wait_until_still
from tests.bench.peers.sent import SentOrder
from tests.bench.peers.servers import ContenderRun

_KILLED_AT: Final = 0.4
#: Windows of a contender may lag behind its rows; what repeats after a kill may never reach an exact number.
_NEARLY_ALL: Final = 0.9
_STILL_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Killed:
    """The verdict after a kill, and how long the restarted process took until its first commit."""

    killed_at_events: int
    seconds_to_first_commit: float
    verdict: Verdict


async def kill_and_judge(run: ContenderRun, sent: Sequence[SentOrder], orders: int) -> Killed:
    """Kill the contender when 40 % are done, start it again, wait until it is done and still."""
    connection = await asyncpg.connect(run.dsn)
    try:
        with run.running() as process:
            await wait_for_progress(connection, run, process, int(orders * _KILLED_AT))
        killed_at = int(await connection.fetchval(run.peer.progress))
        with run.running() as process:
            seconds = await wait_for_progress(connection, run, process, killed_at)
            await wait_until_still(connection, run, process, int(orders * _NEARLY_ALL), _STILL_SECONDS)
        return Killed(killed_at, seconds, await judge(connection, run.peer.tables, sent))
    finally:
        await connection.close()
