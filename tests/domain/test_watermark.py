"""The watermark and what counts as late."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.watermark import WatermarkUpdate, advance_watermark

MINUTE = 60_000_000
ALLOWED = 10 * MINUTE


@pytest.mark.parametrize(
    ("watermark", "timestamps", "expected"),
    [
        (None, [], WatermarkUpdate(None, 0)),
        (5, [], WatermarkUpdate(5, 0)),
        (None, [7], WatermarkUpdate(7, 0)),
        (0, [-ALLOWED], WatermarkUpdate(0, 0)),
        (0, [-ALLOWED - 1], WatermarkUpdate(0, 1)),
        (None, [ALLOWED, 0], WatermarkUpdate(ALLOWED, 0)),
        (None, [ALLOWED + 1, 0], WatermarkUpdate(ALLOWED + 1, 1)),
        (None, [0, ALLOWED + 1], WatermarkUpdate(ALLOWED + 1, 0)),
        (None, [-5, -7], WatermarkUpdate(-5, 0)),
    ],
)
def test_examples(watermark: int | None, timestamps: list[int], expected: WatermarkUpdate) -> None:
    assert advance_watermark(watermark, timestamps, ALLOWED) == expected


def naive(timestamps: list[int], allowed: int) -> WatermarkUpdate:
    """Compare each event with the greatest of all before it."""
    late = sum(max(timestamps[:place]) - timestamp > allowed for place, timestamp in enumerate(timestamps) if place)
    return WatermarkUpdate(max(timestamps, default=None), late)


@given(st.lists(st.integers(-1000, 1000), max_size=40), st.integers(0, 500), st.lists(st.integers(0, 40), max_size=4))
def test_chunks_do_not_matter(timestamps: list[int], allowed: int, cuts: list[int]) -> None:
    watermark, late = None, 0
    edges = sorted({0, len(timestamps), *(min(cut, len(timestamps)) for cut in cuts)})
    for start, end in pairwise(edges):
        watermark, more = advance_watermark(watermark, timestamps[start:end], allowed)
        late += more
    assert WatermarkUpdate(watermark, late) == naive(timestamps, allowed)
