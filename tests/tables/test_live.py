"""The live tables show what the open partitions add up to."""

from pathlib import Path

import pytest

from app.domain.names import name_or_unknown
from app.settings import Settings
from app.stream.app import create_faust_app
from tables.live import LiveTables
from tables.sales_state import SalesState
from tables.velocity import RECENT, PartitionVelocity
from tests.tables.sales import Sold

SECOND = 1_000_000


@pytest.fixture
def tables(tmp_path: Path) -> LiveTables:
    """Tables of an app that is never started."""
    settings = Settings({})
    return LiveTables.create(create_faust_app(settings.kafka, settings.worker, tmp_path))


def _state(*sales: Sold) -> SalesState:
    velocity = PartitionVelocity()
    state = SalesState({RECENT: velocity}, name_or_unknown)
    for number, sale in enumerate(sales):
        velocity.add(f"user-{number}", sale.timestamp_us)
    state.accept(sales, [sale.timestamp_us for sale in sales], None, 0)
    return state


def test_figures_are_sums_over_partitions(tables: LiveTables) -> None:
    tables.show(0, _state(Sold(SECOND, 5, "a", "X"), Sold(2 * SECOND, 7, "b", "X")))
    tables.show(4, _state(Sold(SECOND, 11, "a", "Y")))
    assert tables.category_cents(2) == {"a": 16, "b": 7}
    assert tables.country_cents(2) == {"X": 12, "Y": 11}
    assert tables.category_cents(61) == {"b": 7}
    assert tables.users() == 3


def test_a_revoked_partition_takes_its_share_along(tables: LiveTables) -> None:
    tables.show(0, _state(Sold(SECOND, 5, "a", "X")))
    tables.show(1, _state(Sold(SECOND, 7, "a", "X")))
    tables.hide(1)
    tables.hide(1)
    assert tables.category_cents(1) == {"a": 5}
    assert tables.users() == 1


def test_showing_again_replaces(tables: LiveTables) -> None:
    tables.show(0, _state(Sold(SECOND, 5, "a", "X")))
    tables.show(0, _state(Sold(SECOND, 6, "a", "X")))
    assert tables.country_cents(1) == {"X": 6}


def test_figures_fall_to_nothing_when_it_is_quiet(tables: LiveTables) -> None:
    state = _state(Sold(SECOND, 5, "a", "X"))
    tables.show(0, state)
    tables.expire(61)
    assert tables.category_cents(61) == tables.country_cents(61) == {}
    assert state.by_category.buckets == {}
