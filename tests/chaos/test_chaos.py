"""A short run of chaos with a fixed seed; `make chaos` is the long one."""

from pathlib import Path
from typing import Final

from tests.chaos.run import Chaos, failures
from tests.chaos.schedule import Kind, Plan, draw_schedule
from tests.faults.world import World
from tests.support.waiting import PATIENCE_SECONDS

_SEED: Final = 20251207
_SECONDS: Final = 16.0
#: Left to the long run: what needs other programs, and what only passing time ends.
_LONG: Final = {Kind.POINT_STALL, Kind.API_KILL, Kind.MONGO_KILL, Kind.KAFKA_RESTART}


async def test_nothing_is_lost_or_doubled_in_a_short_chaos(world: World, tmp_path: Path) -> None:
    kinds = [kind for kind in Kind if kind not in _LONG]
    schedule = draw_schedule(_SEED, _SECONDS, kinds, gap_seconds=(0.3, 1.6))
    found = await Chaos(world, tmp_path, lambda _: None, recovery_seconds=PATIENCE_SECONDS).run(Plan([], 0.0, schedule))
    assert failures(found) == [], found
    assert found["faults_total"] >= len(schedule) - 3, found
    assert min(found["topics"]["transactions"][name] for name in ("late", "duplicates")) > 0


def test_a_seed_repeats_its_schedule_and_every_kind_comes_before_any_comes_again() -> None:
    first, second = (draw_schedule(7, 300.0, list(Kind)) for _ in range(2))
    assert first == second != draw_schedule(8, 300.0, list(Kind))
    kinds = [fault.kind for fault in first]
    assert set(kinds[: len(Kind)]) == set(Kind)
    assert all(fault.at_seconds < 300.0 for fault in first)
