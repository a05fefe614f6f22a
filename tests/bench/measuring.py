"""Measuring a contender from outside: events per second, CPU per event and memory of its process and its children."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg
import psutil

_STARTED_SECONDS = 300.0
_SILENT_SECONDS = 120.0


class ContenderError(Exception):
    """A contender died or made no progress; carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; rates count from the first committed records to the last."""

    events: int
    events_per_second: float
    cpu_us_per_event: float
    peak_rss_mb: float
    server_cpu_us_per_event: float = 0.0


@dataclass(frozen=True, slots=True)
class Contender:
    """A command, and the query that answers how many events it has committed, asked every `poll_seconds`.

    Rates count from the moment `from_events` of them are committed. `servers` are the processes of the servers it uses,
    whose processor time is measured, too.
    """

    name: str
    command: Sequence[str]
    progress: str
    events: int
    poll_seconds: float = 0.05
    from_events: int = 1
    servers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class _Sample:
    seconds: float
    events: int
    cpu_seconds: float
    server_cpu_seconds: float


async def run_contender(contender: Contender, environment: Mapping[str, str], dsn: str, log: Path) -> Measured:
    """Start the contender, wait until it has committed all its events, stop it."""
    with log.open("wb") as output:
        process = subprocess.Popen(contender.command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        try:
            return await _observe(contender, psutil.Process(process.pid), dsn)
        except (ContenderError, psutil.NoSuchProcess) as error:
            tail = log.read_text(errors="replace")[-2000:]
            raise ContenderError(f"{contender.name}: {error}\n{tail}") from error
        finally:
            kill_tree(process)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all it has started by SIGKILL, and wait for its end."""
    for child in _tree(process.pid):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all it has started, those that have ended included."""
    total = 0.0
    for child in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:4])
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


async def _observe(contender: Contender, process: psutil.Process, dsn: str) -> Measured:
    connection = await asyncpg.connect(dsn)
    try:
        first = last = await _first_sample(connection, contender, process)
        while last.events < contender.events:
            await asyncio.sleep(contender.poll_seconds)
            sample = await _sample(connection, contender, process)
            if sample.events > last.events:
                last = sample
            elif sample.seconds - last.seconds > _SILENT_SECONDS:
                raise ContenderError(f"stuck at {last.events} of {contender.events} events")
        return _measured(first, last, process)
    finally:
        await connection.close()


async def _first_sample(connection: asyncpg.Connection, contender: Contender, process: psutil.Process) -> _Sample:
    began = monotonic()
    while monotonic() - began < _STARTED_SECONDS:
        sample = await _sample(connection, contender, process)
        if sample.events >= contender.from_events:
            return sample
        await asyncio.sleep(contender.poll_seconds)
    raise ContenderError(f"committed fewer than {contender.from_events} events within {_STARTED_SECONDS:.0f} s")


async def _sample(connection: asyncpg.Connection, contender: Contender, process: psutil.Process) -> _Sample:
    if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
        raise ContenderError("died")
    events = int(await connection.fetchval(contender.progress))
    servers = sum(cpu_seconds(pid) for pid in contender.servers)
    return _Sample(monotonic(), events, cpu_seconds(process.pid), servers)


def _measured(first: _Sample, last: _Sample, process: psutil.Process) -> Measured:
    events = last.events - first.events
    return Measured(
        last.events,
        events / (last.seconds - first.seconds),
        (last.cpu_seconds - first.cpu_seconds) * 1e6 / events,
        sum(_peak_rss_mb(child.pid) for child in _tree(process.pid)),
        (last.server_cpu_seconds - first.server_cpu_seconds) * 1e6 / events,
    )


def _peak_rss_mb(pid: int) -> float:
    """0 for a process that has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
