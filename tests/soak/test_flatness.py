"""Rising, falling and noisy series."""

import random

import pytest

from tests.soak.flatness import trend

_SECONDS = [float(second) for second in range(0, 600, 10)]


@pytest.mark.parametrize(("slope", "flat"), [(0.0, True), (-1.0, True), (0.02, True), (0.03, False), (1.0, False)])
def test_a_line_is_flat_up_to_what_is_allowed(slope: float, flat: bool) -> None:
    """450 s are left after the warm-up: 0.02 gains 8.8, 0.03 gains 13.2."""
    found = trend(_SECONDS, [100 + slope * second for second in _SECONDS], allowed=10)
    assert found.flat is flat
    assert found.per_hour == pytest.approx(slope * 3600)


def test_noise_and_a_steep_start_are_no_rise() -> None:
    pick = random.Random(1)
    values = [min(100.0, second) + pick.uniform(-3, 3) for second in _SECONDS]
    assert trend(_SECONDS, values, allowed=10).flat


def test_a_leak_under_noise_is_found() -> None:
    pick = random.Random(1)
    values = [100 + second * 0.05 + pick.uniform(-3, 3) for second in _SECONDS]
    assert not trend(_SECONDS, values, allowed=10).flat
