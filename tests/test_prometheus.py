"""A capped label keeps what it let through; bulk observation counts like a naive histogram."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prometheus import OTHER, BulkHistogram, CappedLabel


def test_a_capped_label_keeps_what_it_let_through() -> None:
    label = CappedLabel(2)
    assert [label(name) for name in "abcab"] == ["a", "b", OTHER, "a", "b"]


@given(st.lists(st.one_of(st.floats(0, 400), st.sampled_from([0.5, 1.0, 2.5])), max_size=50), st.integers(0, 50))
def test_bulk_histogram_counts_like_a_naive_one(values: list[float], cut: int) -> None:
    bounds = [0.5, 1.0, 2.5, 60.0]
    histogram = BulkHistogram("seconds", "Text.", bounds)
    histogram.observe_many(values[:cut])
    histogram.observe_many(iter(values[cut:]))
    (family,) = histogram.collect()
    samples = {(s.name, s.labels.get("le")): s.value for s in family.samples}
    for bound in bounds:
        assert samples["seconds_bucket", str(bound)] == sum(value <= bound for value in values)
    assert samples["seconds_bucket", "+Inf"] == samples["seconds_count", None] == len(values)
    assert samples["seconds_sum", None] == pytest.approx(sum(values))
