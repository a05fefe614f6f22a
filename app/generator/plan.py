"""The plan of one run of generated traffic."""

from dataclasses import dataclass

from app.generator.mix import Rates


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates per second, start, and end of the history in microseconds (None for live traffic)."""

    rates: Rates
    start_us: int
    end_us: int | None
    day_curve_depth: float
    run_id: str

    def fraction(self, at_us: int) -> float:
        """Returns the position of a time in the history, from 0 to 1; 1 for live traffic."""
        if self.end_us is None:
            return 1.0
        passed = (at_us - self.start_us) / (self.end_us - self.start_us)
        return min(1.0, max(0.0, passed))
