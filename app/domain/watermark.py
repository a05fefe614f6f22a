"""Watermark of a partition: the greatest timestamp of the records accepted there so far."""

from collections.abc import Iterable
from typing import NamedTuple


class Lateness(NamedTuple):
    """Watermark after the records, and how many of them came too far behind it."""

    watermark_us: int | None
    late: int


def advance_watermark(watermark_us: int | None, timestamps_us: Iterable[int], allowed_lateness_us: int) -> Lateness:
    """Pass accepted timestamps, in offset order, by the watermark.

    An event more than the allowed lateness behind the records accepted before it is late; the first is not.
    """
    late = 0
    for timestamp_us in timestamps_us:
        if watermark_us is None or timestamp_us > watermark_us:
            watermark_us = timestamp_us
        elif watermark_us - timestamp_us > allowed_lateness_us:
            late += 1
    return Lateness(watermark_us, late)
