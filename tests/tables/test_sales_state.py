"""The in-memory state of a partition."""

from app.domain.names import name_or_unknown
from app.sink.stateful_rules import new_states
from tables.sales_state import SalesState
from tables.velocity import RECENT, PartitionVelocity
from tests.tables.sales import Sold

SECOND = 1_000_000


def test_live_figures_take_what_the_window_still_holds() -> None:
    state = SalesState(new_states(None), name_or_unknown)
    now = 1000 * SECOND
    sales = [
        Sold(now - 60 * SECOND, 1, "a", "X"),
        Sold(now - 60 * SECOND + 1, 2, "a", "X"),
        Sold(now, 4, None, "unknown"),
        Sold(now, 16, " Unknown", ""),
        Sold(now + 300 * SECOND, 8, "b", "Y"),
    ]
    state.accept(sales, [sale.timestamp_us for sale in sales], None, now)
    assert state.by_category.at(1000) == {"a": 2, "unknown": 20}
    assert state.by_country.at(1000) == {"X": 2, "unknown": 20}
    assert state.by_category.at(1300) == {"b": 8}


def test_accepting_raises_the_horizon_of_the_velocity() -> None:
    velocity = PartitionVelocity()
    state = SalesState({RECENT: velocity}, name_or_unknown)
    velocity.add("ada", 5 * SECOND)
    state.accept([], [], 10 * SECOND, 0)
    assert velocity.timestamps == {}
    assert velocity.horizon_us == 10 * SECOND
