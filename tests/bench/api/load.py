"""Requests at a fixed rate, whatever the answers do, each timed from when it was due."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.bench.api.questions import Question

Makers = Mapping[str, Callable[[], Question]]


@dataclass(slots=True)
class Timed:
    """Answers of one endpoint: seconds from when each was due, and how many were not 200."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def summary(self) -> dict[str, Any]:
        """Milliseconds at the median, the 99th percentile and the worst."""
        ordered = sorted(self.seconds)
        return {
            "requests": len(ordered),
            "errors": self.errors,
            "p50_ms": _at(ordered, 0.5),
            "p99_ms": _at(ordered, 0.99),
            "max_ms": _at(ordered, 1.0),
        }


async def drive(address: str, makers: Makers, rate: float, seconds: float) -> dict[str, Any]:
    """Ask all endpoints in turn, `rate` questions a second."""
    timed: defaultdict[str, Timed] = defaultdict(Timed)
    names = list(makers)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(address, connector=connector) as session:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as asking:
            for n in range(round(rate * seconds)):
                due = began + n / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                name = names[n % len(names)]
                asking.create_task(_ask(session, makers[name](), due, timed[name]))
    return _report(timed)


async def until_answered(address: str, makers: Makers, seconds: float) -> None:
    """Ask every endpoint until it answers, so that what is made once per run is made."""
    async with aiohttp.ClientSession(address) as session, asyncio.timeout(seconds):
        for maker in makers.values():
            while not await _answers(session, maker()):
                await asyncio.sleep(0.5)


async def _answers(session: aiohttp.ClientSession, question: Question) -> bool:
    path, query = question
    try:
        async with session.get(path, params=query) as response:
            await response.read()
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def _ask(session: aiohttp.ClientSession, question: Question, due: float, to: Timed) -> None:
    answered = await _answers(session, question)
    to.seconds.append(time.perf_counter() - due)
    to.errors += not answered


def _report(timed: Mapping[str, Timed]) -> dict[str, Any]:
    over_all = Timed(
        [second for each in timed.values() for second in each.seconds], sum(each.errors for each in timed.values())
    )
    return {"all": over_all.summary(), "endpoints": {name: each.summary() for name, each in timed.items()}}


def _at(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)
