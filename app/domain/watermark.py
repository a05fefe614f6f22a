"""Watermark of a partition: the greatest timestamp of the records accepted there so far."""

from collections.abc import Iterable
from typing import NamedTuple


class WatermarkUpdate(NamedTuple):
    """Watermark after the records, and the number of late records among them."""

    watermark_us: int | None
    late: int


def advance_watermark(
    watermark_us: int | None, timestamps_us: Iterable[int], allowed_lateness_us: int
) -> WatermarkUpdate:
    """Advances the watermark over accepted timestamps, in offset order.

    An event more than the allowed lateness behind the records accepted before it is late; the first is not.
    """
    late = 0
    for timestamp_us in timestamps_us:
        if watermark_us is None or timestamp_us > watermark_us:
            watermark_us = timestamp_us
        elif watermark_us - timestamp_us > allowed_lateness_us:
            late += 1
    return WatermarkUpdate(watermark_us, late)
