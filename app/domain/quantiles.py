"""Quantiles of a histogram."""

from collections.abc import Mapping


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Computes the quantile as Prometheus does: linear within its bucket, from cumulative counts.

    In the last, unbounded bucket it is the bound below it; None when nothing was counted.
    """
    limits = sorted(buckets)
    if not limits or buckets[limits[-1]] == 0:
        return None
    rank = share * buckets[limits[-1]]
    below_limit, below_count = 0.0, 0.0
    for limit in limits:
        if buckets[limit] >= rank:
            if limit == float("inf"):
                return below_limit
            inside = buckets[limit] - below_count
            return below_limit + (limit - below_limit) * (rank - below_count) / inside
        below_limit, below_count = limit, buckets[limit]
    return below_limit
