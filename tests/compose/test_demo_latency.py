from math import inf

import pytest

from app.domain.quantiles import quantile
from compose.demo.figures import Latency, read_latency

_PAGE = """\
# HELP globalmart_end_to_end_seconds From send to commit.
# TYPE globalmart_end_to_end_seconds histogram
globalmart_end_to_end_seconds_bucket{topic="transactions",le="0.05"} 50.0
globalmart_end_to_end_seconds_bucket{topic="transactions",le="0.1"} 98.0
globalmart_end_to_end_seconds_bucket{topic="transactions",le="+Inf"} 100.0
globalmart_end_to_end_seconds_bucket{topic="cart_events",le="0.05"} 0.0
globalmart_end_to_end_seconds_bucket{topic="cart_events",le="0.1"} 100.0
globalmart_end_to_end_seconds_bucket{topic="cart_events",le="+Inf"} 100.0
globalmart_end_to_end_seconds_count{topic="transactions"} 100.0
globalmart_end_to_end_seconds_sum{topic="transactions"} 5.0
"""


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({1.0: 0.0, inf: 0.0}, 0.5, None),
        ({1.0: 10.0, inf: 10.0}, 0.5, 0.5),
        ({1.0: 5.0, 2.0: 10.0, inf: 10.0}, 0.5, 1.0),
        ({1.0: 5.0, 2.0: 10.0, inf: 10.0}, 0.75, 1.5),
        ({1.0: 5.0, inf: 10.0}, 0.99, 1.0),
    ],
)
def test_quantile(buckets: dict[float, float], share: float, expected: float | None) -> None:
    assert quantile(buckets, share) == expected


def test_label_sets_are_added_up() -> None:
    # 50 of 200 up to 50 ms, 198 up to 100 ms: the 100th lies at 50 + 50 * 50 / 148 ms.
    found = read_latency(_PAGE)
    assert found.p50 == pytest.approx(0.05 + 0.05 * 50 / 148)
    assert found.p99 == pytest.approx(0.1)
    assert found.records == 200


def test_a_page_without_the_histogram_has_no_latency() -> None:
    assert read_latency("") == Latency(None, None)
