"""Plays the records of a source to a sender, paced by the wall clock or as fast as possible."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import Final, Protocol

from app.generator.record import Record
from app.generator.sender import Sender

_LONGEST_STEP_US: Final = 100_000
FOREVER_US: Final = 1 << 61
_BATCH: Final = 500


class Pacer:
    """Maps the wall clock to the time of a source, both in microseconds; the clock is passed in.

    Records become due at their time. After a stall the source is played at most `catch_up_factor` times as fast as
    usual; a lag beyond `catch_up_max_us` is not caught up: the source then stays behind the wall clock by `offset_us`.
    """

    def __init__(self, wall_us: int, start_us: int, speed: float, catch_up_factor: float, catch_up_max_us: int) -> None:
        """Starts now: the source's `start_us` is played at the wall clock's `wall_us`."""
        self._wall_start_us = self._wall_us = wall_us
        self._start_us = self._played_us = start_us
        self._speed = speed
        self._catch_up_factor = catch_up_factor
        self._catch_up_max_us = catch_up_max_us
        self.skipped_us = 0

    @property
    def offset_us(self) -> int:
        """Difference between wall clock and source time, at a speed of one."""
        return self._wall_start_us - self._start_us + self.skipped_us

    def due_us(self, wall_us: int) -> int:
        """Returns the source time up to which records are due; never decreases."""
        step_us = min(_LONGEST_STEP_US, max(0, wall_us - self._wall_us))
        self._wall_us = max(wall_us, self._wall_us)
        passed_us = self._wall_us - self._wall_start_us - self.skipped_us
        behind_us = passed_us - (self._played_us - self._start_us) / self._speed
        if behind_us > self._catch_up_max_us + _LONGEST_STEP_US:
            self.skipped_us += int(behind_us) - self._catch_up_max_us
            behind_us = self._catch_up_max_us
        wall_step_us = min(behind_us, self._catch_up_factor * step_us)
        self._played_us += int(max(0.0, wall_step_us) * self._speed)
        return self._played_us


class Source(Protocol):
    """Records in the order of their time."""

    @property
    def next_us(self) -> int:
        """Lower bound of the next record's time."""

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yields the records before a time (see `Traffic.records`)."""


class Clock(Protocol):
    """The clock of a playback."""

    def now_us(self) -> int:
        """Returns microseconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class WallClock:
    """The real time; `sleep` ends early when a stop is requested."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)


@dataclass(slots=True)
class Limits:
    """The end of a playback: a source time, a wall time, a number of records, or a stop."""

    stopping: Callable[[], bool]
    end_us: int = FOREVER_US
    wall_end_us: int = FOREVER_US
    count: int = FOREVER_US
    sent: int = 0

    def over(self, now_us: int, source: Source) -> bool:
        """Whether nothing more is to be sent."""
        return self.stopping() or self.sent >= self.count or now_us >= self.wall_end_us or source.next_us >= self.end_us


Progress = Callable[[int, int], None]
"""Called after each batch with the records sent so far and the source's time in microseconds."""


def play_paced(
    source: Source,
    sender: Sender,
    pacer: Pacer,
    clock: Clock,
    limits: Limits,
    tick_seconds: float,
    progress: Progress,
    *,
    record_now: bool = True,
) -> None:
    """Sends the due records every tick until a limit is reached."""
    while not limits.over(now_us := clock.now_us(), source):
        due_us = min(pacer.due_us(now_us), limits.end_us)
        stamp_us = now_us if record_now else None
        due = source.records(due_us, pacer.offset_us, stamp_us)
        _send(list(islice(due, limits.count - limits.sent)), sender, now_us, limits)
        progress(limits.sent, due_us)
        clock.sleep(tick_seconds)


def play_flat_out(
    source: Source,
    sender: Sender,
    clock: Clock,
    limits: Limits,
    progress: Progress,
    *,
    follow_wall: bool,
    record_now: bool,
) -> None:
    """Sends as fast as the sender accepts; `follow_wall` makes event times follow the wall clock."""
    while not limits.over(now_us := clock.now_us(), source):
        at_us = source.next_us
        offset_us = now_us - at_us if follow_wall else 0
        batch = min(_BATCH, limits.count - limits.sent)
        stamp_us = now_us if record_now else None
        records = list(islice(source.records(limits.end_us, offset_us, stamp_us), batch))
        _send(records, sender, now_us, limits)
        progress(limits.sent, at_us)


def _send(records: list[Record], sender: Sender, now_us: int, limits: Limits) -> None:
    if records:
        sender.send(records, now_us // 1000)
        limits.sent += len(records)
