"""A short run of the fuzzer; `make fuzz` is the long one."""

from typing import Final

from app.events.rejections import Reason
from tests.faults.world import World
from tests.fuzz.run import failures, fuzz

_RECORDS: Final = 12_000
#: What only a retention, or the database behind the decoder's back, brings about.
_ELSEWHERE: Final = {Reason.BEYOND_RETENTION, Reason.REJECTED_BY_DATABASE}


async def test_bad_input_of_every_kind_is_accounted_for(world: World) -> None:
    found = await fuzz(world, seed=20251207, count=_RECORDS)
    assert failures(found) == [], found["mismatches"]
    assert set(found["dead_letters"]) >= {*Reason} - _ELSEWHERE, found["dead_letters"]
    assert all(counts["stored"] > 500 for counts in found["topics"].values()), found["topics"]
