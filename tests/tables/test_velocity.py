"""Velocity of users against a count over everything that ever happened."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.velocity import SLACK_US, WINDOW_US, PartitionVelocity

SECOND = 1_000_000
Events = list[tuple[str, int]]


#   t - 60 s                      t
#      (--------------------------]
#      ^ not counted              ^ counted
@pytest.mark.parametrize(
    ("earlier", "expected"), [([-60 * SECOND], 1), ([-60 * SECOND + 1], 2), ([0], 2), ([1], 1), ([0, 0, -1], 4)]
)
def test_the_window_leaves_its_start_out_and_its_end_in(earlier: list[int], expected: int) -> None:
    velocity = PartitionVelocity()
    for timestamp in earlier:
        velocity.add("ada", timestamp)
    assert velocity.add("ada", 0) == expected


def test_users_are_counted_apart() -> None:
    velocity = PartitionVelocity()
    velocity.add("ada", 0)
    assert velocity.add("bob", 0) == 1


@pytest.mark.parametrize(
    ("timestamp", "known"), [(WINDOW_US + 99, False), (WINDOW_US + 100, True), (100, False), (50, False)]
)
def test_a_window_that_reaches_below_the_horizon_is_unknown(timestamp: int, known: bool) -> None:
    assert (PartitionVelocity(horizon_us=100).add("ada", timestamp) is not None) is known


def test_a_stray_future_event_does_not_push_the_horizon() -> None:
    velocity = PartitionVelocity()
    for second in range(9):
        velocity.add("ada", second * SECOND)
    velocity.add("ada", 300 * SECOND)
    assert velocity.next_horizon() == 5 * SECOND - WINDOW_US - SLACK_US


def test_without_events_there_is_no_horizon() -> None:
    assert PartitionVelocity().next_horizon() is None
    assert PartitionVelocity(7).next_horizon() == 7


def naive_count(history: Events, user: str, timestamp: int) -> int:
    return sum(1 for other, at in history if other == user and timestamp - WINDOW_US < at <= timestamp)


_MOMENTS = st.one_of(
    st.integers(0, 400 * SECOND),
    st.integers(0, 400).map(lambda second: second * SECOND),
    st.sampled_from([0, WINDOW_US, WINDOW_US + 1, WINDOW_US - 1]),
)
_EVENTS = st.tuples(st.sampled_from("abc"), _MOMENTS)
_CHUNKS = st.lists(st.lists(_EVENTS, max_size=12), max_size=12)


def _lived(chunks: list[Events], rising: bool) -> Iterator[tuple[PartitionVelocity, Events]]:
    """Feed the chunks; after each, the state and all events so far."""
    velocity, history = PartitionVelocity(), []
    for number, chunk in enumerate(chunks):
        for user, moment in chunk:
            timestamp = moment + (number * 40 * SECOND if rising else 0)
            history.append((user, timestamp))
            count = velocity.add(user, timestamp)
            horizon = velocity.horizon_us
            if count is None:
                assert horizon is not None and timestamp - WINDOW_US < horizon
            else:
                assert count == naive_count(history, user, timestamp)
        velocity.raise_horizon(velocity.next_horizon())
        yield velocity, history


@settings(max_examples=150)
@given(_CHUNKS, st.booleans())
def test_known_counts_equal_a_naive_count(chunks: list[Events], rising: bool) -> None:
    horizons = [velocity.horizon_us for velocity, _ in _lived(chunks, rising)]
    known = [horizon for horizon in horizons if horizon is not None]
    assert known == sorted(known)


@settings(max_examples=150)
@given(_CHUNKS, st.lists(_EVENTS, max_size=30))
def test_a_restored_state_answers_like_the_one_that_lived(chunks: list[Events], then: Events) -> None:
    lived, history = ([(PartitionVelocity(), Events()), *_lived(chunks, rising=True)])[-1]
    restored = PartitionVelocity(lived.horizon_us)
    for user, timestamp in reversed(history):
        restored.restore(user, timestamp)
    later = [(user, timestamp + len(chunks) * 30 * SECOND) for user, timestamp in then]
    assert [restored.add(*event) for event in later] == [lived.add(*event) for event in later]


@given(_CHUNKS)
def test_memory_holds_what_lies_above_the_horizon(chunks: list[Events]) -> None:
    for velocity, history in _lived(chunks, rising=True):
        horizon = velocity.horizon_us
        if horizon is not None:
            kept = sum(map(len, velocity.timestamps.values()))
            above = sum(timestamp > horizon for _, timestamp in history)
            in_its_second = sum(horizon // SECOND == timestamp // SECOND for _, timestamp in history)
            assert above <= kept <= above + in_its_second
            assert all(velocity.timestamps.values())


def test_memory_does_not_grow_with_users_ever_seen() -> None:
    velocity, largest = PartitionVelocity(), 0
    for second in range(3600):
        for number in range(5):
            velocity.add(f"user-{second}-{number}", second * SECOND + number)
        velocity.raise_horizon(velocity.next_horizon())
        largest = max(largest, len(velocity.timestamps))
    assert largest <= 5 * (WINDOW_US + SLACK_US + 20 * SECOND) // SECOND
