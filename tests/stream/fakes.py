"""Hand-written neighbours of the stream's core: a Faust app, its consumer and the loader, all in memory."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from faust.types import TP
from prometheus_client import CollectorRegistry

from app.domain.names import name_or_unknown
from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.sink.ledger import Progress
from app.sink.partition_state import PartitionState
from app.sink.stateful_rules import new_states
from app.stream.partition_loader import KafkaOffsets
from app.stream.partitions import PartitionManager
from tables.sales_state import SalesState


@dataclass
class FakeConsumer:
    """Remembers what it was asked to do; `current` is its answer for every chunk."""

    current: bool = True
    paused: list[TP] = field(default_factory=list)
    resumed: dict[TP, int] = field(default_factory=dict)

    def is_current(self, chunk: Chunk) -> bool:
        return self.current

    def pause(self, partition: TP) -> None:
        self.paused.append(partition)

    def resume_at(self, partition: TP, offset: int) -> None:
        self.resumed[partition] = offset

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)


@dataclass
class FakeApp:
    """Runs futures as tasks and keeps the error it was crashed with."""

    consumer: FakeConsumer = field(default_factory=FakeConsumer)
    consumer_generation_id: int = 1
    should_stop: bool = False
    crashed_with: BaseException | None = None
    futures: list[asyncio.Task[None]] = field(default_factory=list)

    def add_future(self, coroutine: Awaitable[None], /) -> None:
        self.futures.append(asyncio.ensure_future(coroutine))

    async def crash(self, reason: BaseException) -> None:
        self.crashed_with = reason

    async def settled(self) -> None:
        """Waits for every future."""
        await asyncio.gather(*self.futures)


@dataclass
class FakeLoader:
    """Returns fresh states; raises the queued errors first; holds each opening until `gate` is set."""

    errors: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0
    next_offset: int = 7

    def __post_init__(self) -> None:
        self.gate.set()

    async def open_partitions(self, kafka: KafkaOffsets, partitions: set[TP]) -> Mapping[TP, PartitionState]:
        self.opened += 1
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return {partition: self.state() for partition in partitions}

    async def load_state(self, connection: asyncpg.Connection, partition: TP) -> PartitionState | None:
        return self.state()

    def state(self) -> PartitionState:
        return PartitionState(Progress(self.next_offset, None, None), SalesState(new_states(None), name_or_unknown))


@dataclass
class Listener:
    """Remembers the partitions whose states are valid."""

    valid: set[TP] = field(default_factory=set)

    def opened(self, partition: TP, state: PartitionState) -> None:
        self.valid.add(partition)

    def dropped(self, partition: TP) -> None:
        self.valid.remove(partition)


class Clock:
    """Unix time that a test sets."""

    def __init__(self, seconds: float = 1_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def partition_manager(
    app: FakeApp, loader: Any, listener: Listener | None = None, clock: Clock | None = None
) -> PartitionManager:
    """A manager over the fakes, with retries that hardly wait."""
    metrics = WorkerMetrics(CollectorRegistry())
    return PartitionManager(
        app, loader, listener or Listener(), metrics, clock=clock or Clock(), retry_max_seconds=0.01
    )
