"""Playing a source: ticks, limits and stamps, with a clock moved by the test."""

from collections.abc import Sequence

from app.generator.playback import Limits, Pacer, play_flat_out, play_paced
from app.generator.record import Record
from tests.generator.shop import START_US, live, settings

WALL_US = START_US + 1_000_000_000


class HandClock:
    """Sleeping moves it on; so does every look at it, by what a loop might take."""

    def __init__(self, work_us: int = 0) -> None:
        self.us = WALL_US
        self.work_us = work_us

    def now_us(self) -> int:
        self.us += self.work_us
        return self.us

    def sleep(self, seconds: float) -> None:
        self.us += round(seconds * 1_000_000)


class ListSender:
    """Keeps what it is given, with the time it was sent."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[Record]]] = []

    def send(self, records: Sequence[Record], sent_at_ms: int) -> None:
        self.batches.append((sent_at_ms, list(records)))

    @property
    def records(self) -> list[Record]:
        return [record for _, batch in self.batches for record in batch]


def nothing(_sent: int, _at_us: int) -> None:
    """Progress nobody looks at."""


def never() -> bool:
    return False


def paced(limits: Limits) -> ListSender:
    sender, clock = ListSender(), HandClock()
    pacer = Pacer(WALL_US, START_US, 1.0, 2.0, 30_000_000)
    play_paced(live(settings()), sender, pacer, clock, limits, 0.015, nothing)
    return sender


def test_live_traffic_is_spread_over_small_ticks() -> None:
    sender = paced(Limits(never, wall_end_us=WALL_US + 10_000_000))
    sizes = [len(batch) for _, batch in sender.batches]
    assert 5_400 < sum(sizes) < 6_800
    assert max(sizes) < 40
    assert len(sizes) > 600


def test_live_records_are_stamped_with_the_time_they_are_sent() -> None:
    sender = paced(Limits(never, wall_end_us=WALL_US + 2_000_000))
    for sent_at_ms, batch in sender.batches:
        assert {record.at_us // 1000 for record in batch} == {sent_at_ms}


def test_count_is_exact() -> None:
    assert len(paced(Limits(never, count=777)).records) == 777


def test_nothing_is_sent_after_a_stop() -> None:
    assert paced(Limits(lambda: True)).records == []


def test_flat_out_ends_with_the_source() -> None:
    sender = ListSender()
    limits = Limits(never, end_us=START_US + 5_000_000)
    play_flat_out(live(settings()), sender, HandClock(), limits, nothing, follow_wall=False, record_now=False)
    assert sender.records == list(live(settings()).records(START_US + 5_000_000, 0, None))


def test_flat_out_follows_the_wall_clock() -> None:
    """The source's time runs faster than the clock here; events must not run ahead of it."""
    sender, clock = ListSender(), HandClock(work_us=10_000)
    limits = Limits(never, count=20_000)
    play_flat_out(live(settings()), sender, clock, limits, nothing, follow_wall=True, record_now=True)
    assert len(sender.records) == 20_000
    assert WALL_US < sender.records[-1].at_us <= clock.us
