"""Pacing of live traffic: on time, catching up after a stall, or skipping a long one."""

from typing import Final

_LONGEST_STEP_US: Final = 100_000


class Pacer:
    """Maps the wall clock to the time of a source, both in microseconds; the clock is passed in.

    Records become due at their time. After a stall the source is played at most `catch_up_factor` times as fast as
    usual; a lag beyond `catch_up_max_us` is not caught up: the source then stays behind the wall clock by `offset_us`.
    """

    __slots__ = (
        "_catch_up_factor",
        "_catch_up_max_us",
        "_played_us",
        "_speed",
        "_start_us",
        "_wall_start_us",
        "_wall_us",
        "skipped_us",
    )

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
        behind_us = passed_us - self._played_wall_us()
        if behind_us > self._catch_up_max_us + _LONGEST_STEP_US:
            self.skipped_us += int(behind_us) - self._catch_up_max_us
            behind_us = self._catch_up_max_us
        wall_step_us = min(behind_us, self._catch_up_factor * step_us)
        self._played_us += int(max(0.0, wall_step_us) * self._speed)
        return self._played_us

    def _played_wall_us(self) -> float:
        return (self._played_us - self._start_us) / self._speed
