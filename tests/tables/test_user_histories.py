"""What a history says of its orders is true of them; which users are forgotten first."""

import random

import pytest

from tables.user_histories import PastOrder, UserHistories, UserHistory, totals_of

_FOREVER_US = 10**9


@pytest.mark.parametrize("seed", range(5))
def test_sum_and_common_traits_are_those_of_the_orders(seed: int) -> None:
    numbers = random.Random(seed)
    history = UserHistory(-1, [_order(numbers, n) for n in range(seed)])
    for n in range(300):
        history.add(_order(numbers, n + seed))
        if n % 40 == 0:
            history.forget(n * 5)
        assert history.orders == sorted(history.orders)
        assert history.cents == sum(order.cents for order in history.orders)
        for place in history.common:
            assert {order.traits[place] for order in history.orders} == {history.sample[place]}
    assert history.common == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_totals_are_those_of_the_orders_whether_added_or_taken_from_a_history(seed: int) -> None:
    numbers = random.Random(seed)
    orders = [_order(numbers, n) for n in range(60)]
    history = UserHistory(-1, orders[:20])
    totals = totals_of(history, 50, 2)
    for order in orders[20:]:
        totals.add(order.timestamp_us, order.cents, order.traits)
    counted = [order for order in orders if order.timestamp_us > 50]
    assert totals.count == len(counted)
    assert totals.cents == sum(order.cents for order in counted)
    assert totals.least_cents == min(order.cents for order in counted)
    values = [{order.traits[place] for order in counted} - {None} for place in range(2)]
    assert [place in totals.common for place in range(2)] == [len(each) <= 1 for each in values] == [True, False]
    assert totals.sample[0] == "UK"


def test_a_history_that_goes_leaves_totals_which_the_next_history_replaces() -> None:
    histories = UserHistories(limit=2, totals_limit=1)
    histories.remember(())
    for user_id in ("first", "second", "third"):
        histories.put(user_id, UserHistory(-1, [PastOrder(5, 1, 700), PastOrder(40, 2, 300)]))
    histories.settle(_FOREVER_US, 30)
    assert list(histories.totals) == ["second"], "only so many are remembered"
    totals = histories.totals["second"]
    assert (totals.since_us, totals.count, totals.cents, totals.least_cents) == (10, 1, 300, 300)
    histories.put("second", UserHistory(-1))
    assert not histories.totals
    histories.put_totals("second", totals)
    assert histories.get("second") is None
    assert len(histories) == 3, "the third has two orders"


def test_an_order_that_is_not_remembered_changes_nothing() -> None:
    history = UserHistory(100)
    assert not history.add(PastOrder(100, 1, 500, ("a",)))
    assert (history.orders, history.cents) == ([], 0)


def test_users_who_came_back_are_forgotten_last() -> None:
    histories = UserHistories(limit=8)
    histories.remember(())
    for user_id in ("again", "once", "later"):
        histories.put(user_id, UserHistory(-1))
    for at, user_id in enumerate(("again", "once", "later", "again", "again")):
        history = histories.get(user_id)
        assert history is not None, user_id
        histories.add(history, PastOrder(at, at, 1))
    assert len(histories) == 8
    histories.put("new", UserHistory(-1))
    histories.settle(_FOREVER_US)
    assert [histories.get(name) is not None for name in ("again", "once", "later", "new")] == [True, False, True, True]
    assert len(histories) == 7


def _order(numbers: random.Random, offset: int) -> PastOrder:
    """An order of one country and three categories, some of them late."""
    at = offset * 10 - numbers.choice([0, 0, 0, 35, 200])
    return PastOrder(max(at, 0), offset, numbers.randrange(1_000), ("UK", numbers.choice(["Books", "Toys", None])))
