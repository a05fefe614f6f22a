"""Live pacing: on time, catching up within its cap, letting a long stall go."""

from itertools import pairwise

from app.generator.playback import Pacer

TICK_US = 15_000


def pacer(speed: float = 1.0) -> Pacer:
    """At wall time 1,000 s the source is at 50 s."""
    return Pacer(1_000_000_000, 50_000_000, speed, 2.0, 30_000_000)


def run(pace: Pacer, from_us: int, seconds: float) -> list[int]:
    end_us = from_us + int(seconds * 1_000_000)
    return [pace.due_us(wall_us) for wall_us in range(from_us, end_us + 1, TICK_US)]


def test_on_time_every_tick_plays_its_own_length() -> None:
    due = run(pacer(), 1_000_000_000, 3)
    assert due[0] == 50_000_000
    assert {after - before for before, after in pairwise(due)} == {TICK_US}


def test_offset_leads_back_to_the_wall_clock() -> None:
    pace = pacer()
    due_us = pace.due_us(1_000_000_000 + TICK_US)
    assert due_us + pace.offset_us == 1_000_000_000 + TICK_US


def test_after_a_stall_it_plays_at_most_twice_as_fast_until_it_is_on_time() -> None:
    pace = pacer()
    pace.due_us(1_000_000_000)
    due = [pace.due_us(1_010_000_000), *run(pace, 1_010_000_000 + TICK_US, 15)]
    steps = [after - before for before, after in pairwise(due)]
    assert max(steps) == 2 * TICK_US
    assert steps[-1] == TICK_US
    assert pace.skipped_us == 0
    assert due[0] <= 50_000_000 + 200_000


def test_what_lies_too_far_back_is_let_go() -> None:
    pace = pacer()
    pace.due_us(1_000_000_000)
    run(pace, 1_100_000_000, 60)
    assert 69_900_000 <= pace.skipped_us <= 70_000_000


def test_the_clock_may_step_back() -> None:
    pace = pacer()
    due_us = pace.due_us(1_000_000_000 + TICK_US)
    assert pace.due_us(1_000_000_000 - 5_000_000) == due_us
    assert pace.due_us(1_000_000_000 + 2 * TICK_US) > due_us


def test_speed_multiplies_time() -> None:
    due = run(pacer(speed=3600.0), 1_000_000_000, 1.5)
    assert due[-1] - due[0] == 3600 * 1_500_000
