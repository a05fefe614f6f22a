"""What goes wrong and when: a schedule drawn from a seed, pure, the same for every run of that seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.sink.fault_points import FaultPoint


class Kind(StrEnum):
    """The faults."""

    WORKER_KILL = "worker_kill"
    WORKER_TERM = "worker_term"
    WORKER_ZOMBIE = "worker_zombie"
    WORKER_ADDED = "worker_added"
    POINT_KILL = "point_kill"
    POINT_ZOMBIE = "point_zombie"
    POINT_DISCONNECT = "point_disconnect"
    POINT_DEADLOCK = "point_deadlock"
    POINT_BUG = "point_bug"
    POINT_STALL = "point_stall"
    KAFKA_KILL = "kafka_kill"
    KAFKA_RESTART = "kafka_restart"
    POSTGRES_KILL = "postgres_kill"
    POSTGRES_RESTART = "postgres_restart"
    SESSIONS_ENDED = "sessions_ended"
    ROW_LOCKED = "row_locked"
    DISK_FULL = "disk_full"
    SLOW_DATABASE = "slow_database"
    CLOCK_JUMP = "clock_jump"
    API_KILL = "api_kill"
    MONGO_KILL = "mongo_kill"


#: Longer than the session timeout, so that the group gives a stopped worker up for dead.
_ZOMBIE_SECONDS: Final = (7.0, 10.0)
_LASTING_SECONDS: Final[dict[Kind, tuple[float, float]]] = {
    Kind.WORKER_ZOMBIE: _ZOMBIE_SECONDS,
    Kind.POINT_ZOMBIE: _ZOMBIE_SECONDS,
    Kind.WORKER_ADDED: (3.0, 8.0),
    Kind.KAFKA_RESTART: (0.0, 4.0),
    Kind.POSTGRES_RESTART: (0.0, 6.0),
    Kind.ROW_LOCKED: (1.0, 12.0),
    Kind.DISK_FULL: (2.0, 6.0),
    Kind.SLOW_DATABASE: (2.0, 6.0),
}
_JUMPS_SECONDS: Final = (-7200, -900, -60, 60, 600, 1500)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `dice` in [0, 1) chooses the victim, `point` and `jump_seconds` serve the kinds that need them."""

    at_seconds: float
    kind: Kind
    lasts_seconds: float
    dice: float
    point: FaultPoint
    jump_seconds: int


@dataclass(frozen=True, slots=True)
class Plan:
    """First faults one by one, each after everything has recovered from the one before, until `alone_seconds` are over;
    then a storm of faults that overlap.
    """

    alone: list[Fault]
    alone_seconds: float
    storm: list[Fault]


def draw_plan(seed: int, duration_seconds: float) -> Plan:
    """Half of the time for single faults, half for the storm, every kind in both."""
    alone = draw_schedule(seed, duration_seconds, list(Kind))
    storm = draw_schedule(seed + 1, duration_seconds / 2, list(Kind))
    return Plan(alone, duration_seconds / 2, storm)


def draw_schedule(
    seed: int, duration_seconds: float, kinds: Sequence[Kind], gap_seconds: tuple[float, float] = (1.0, 6.0)
) -> list[Fault]:
    """Faults at random times until the duration is over; every kind once before any comes again."""
    pick = random.Random(seed)
    faults: list[Fault] = []
    bag: list[Kind] = []
    at_seconds = pick.uniform(*gap_seconds)
    while at_seconds < duration_seconds:
        if not bag:
            bag = pick.sample(list(kinds), len(kinds))
        faults.append(_fault(pick, at_seconds, bag.pop()))
        at_seconds += pick.uniform(*gap_seconds)
    return faults


def _fault(pick: random.Random, at_seconds: float, kind: Kind) -> Fault:
    lasts_seconds = pick.uniform(*_LASTING_SECONDS.get(kind, (0.0, 0.0)))
    point = pick.choice(list(FaultPoint))
    return Fault(at_seconds, kind, lasts_seconds, pick.random(), point, pick.choice(_JUMPS_SECONDS))
