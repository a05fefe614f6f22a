"""Windows [start, end) and the panes they are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.windows import WindowGeometry

GUIDE = WindowGeometry(60, 30)


#   second   0        30        60        90       120
#            |---------|---------|---------|---------|
#   window -30 ........)
#   window 0 [..................)
#   window 30          [..................)
#   window 60                    [..................)
@pytest.mark.parametrize(
    ("second", "starts"),
    [
        (0, [0, -30]),
        (29, [0, -30]),
        (30, [30, 0]),
        (59, [30, 0]),
        (60, [60, 30]),
        (89, [60, 30]),
        (90, [90, 60]),
        (-1, [-30, -60]),
        (-30, [-30, -60]),
        (-31, [-60, -90]),
    ],
)
def test_windows_of_a_second(second: int, starts: list[int]) -> None:
    assert GUIDE.window_starts(second) == starts


#   panes    [ 0  )[ 10 )[ 20 )[ 30 )
#   window   [ 0 .............)
#   window         [ 10 ............)
def test_three_panes_make_a_window() -> None:
    geometry = WindowGeometry(30, 10)
    assert geometry.panes_per_window == 3
    assert geometry.window_starts(25) == [20, 10, 0]


def test_tumbling_windows_are_their_own_panes() -> None:
    geometry = WindowGeometry(60, 60)
    assert geometry.panes_per_window == 1
    assert geometry.window_starts(119) == [60]


@given(st.integers(1, 3600), st.integers(1, 12), st.integers(-(10**10), 10**11))
def test_a_second_lies_in_exactly_its_windows(step: int, panes: int, second: int) -> None:
    geometry = WindowGeometry(step * panes, step)
    starts = geometry.window_starts(second)
    near = range(second // step - panes - 1, second // step + 3)
    naive = [k * step for k in near if k * step <= second < k * step + step * panes]
    assert starts == naive[::-1]
    assert len(starts) == geometry.panes_per_window == panes


@given(st.integers(1, 3600), st.integers(-(10**10), 10**11))
def test_a_pane_holds_its_second_and_is_aligned_to_the_epoch(step: int, second: int) -> None:
    start = WindowGeometry(step * 2, step).pane_start(second)
    assert start <= second < start + step
    assert start % step == 0
