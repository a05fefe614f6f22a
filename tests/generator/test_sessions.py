"""Sessions are stories: looked at, put into the cart, taken out, paid."""

from collections import Counter, defaultdict
from typing import Any

import orjson
import pytest

from tests.generator.shop import NO_FAULTS, live, play, settings, shop

Event = dict[str, Any]


@pytest.fixture(scope="module")
def sessions() -> list[list[Event]]:
    """The events of each session in the order of their time; bursts left out."""
    events: dict[str, list[Event]] = defaultdict(list)
    config = settings(**NO_FAULTS, rapid_share=0.0, high_value_share=0.0)
    for record in play(live(config), 190):
        event = orjson.loads(record.value or b"")
        if "session_id" in event:
            events[event["session_id"]].append(event)
    # Sessions under way at the start or the end are cut.
    begun = [session for session in events.values() if session[0]["timestamp"] > "2025-06-15T15:08:40"]
    return [session for session in begun if session[-1]["timestamp"] < "2025-06-15T15:09:20"]


def orders(events: list[Event]) -> list[Event]:
    return [event for event in events if "transaction_id" in event]


def test_a_session_has_one_customer_in_one_country(sessions: list[list[Event]]) -> None:
    assert len(sessions) > 2000
    for events in sessions:
        assert len({(event["user_id"], event["country"]) for event in events}) == 1


def test_what_is_paid_is_what_is_in_the_cart_at_checkout(sessions: list[list[Event]]) -> None:
    checked_out = 0
    for events in sessions:
        cart: Counter[str] = Counter()
        for event in events:
            if event.get("action") == "add":
                cart[event["product_id"]] += event["quantity"]
            elif event.get("action") == "remove":
                cart[event["product_id"]] -= event["quantity"]
            elif event.get("action") == "checkout":
                checked_out += 1
                assert event is events[-2]
                (order,) = orders(events[-1:])
                assert +cart == Counter({order["product_id"]: order["quantity"]})
    assert checked_out > 100


def test_nothing_follows_an_order_and_there_is_at_most_one(sessions: list[list[Event]]) -> None:
    for events in sessions:
        assert len(orders(events)) <= 1
        assert orders(events) == orders(events[-1:])


def test_what_is_bought_was_looked_at_last(sessions: list[list[Event]]) -> None:
    for events in sessions:
        views = [e["product_id"] for e in events if "event_id" in e and "action" not in e]
        if views and orders(events):
            assert orders(events)[0]["product_id"] == views[-1]


def test_all_endings_occur(sessions: list[list[Event]]) -> None:
    endings: Counter[str] = Counter()
    for events in sessions:
        actions = {event.get("action") for event in events}
        carted = "add" in actions
        endings[f"{'cart' if carted else 'no cart'}, {len(orders(events))} orders"] += 1
    assert len(endings) == 4
    assert min(endings.values()) > 50


def test_prices_and_categories_belong_to_products(sessions: list[list[Event]]) -> None:
    catalogue = shop(settings())
    for events in sessions:
        for event in events:
            product = int(event["product_id"].removeprefix("product")) - 1
            assert event["category"] == catalogue.categories[catalogue.category_of[product]]
            if "total_amount" in event and event["quantity"] < 10:
                cents = catalogue.price_cents[product] * event["quantity"]
                assert round(event["total_amount"] * 100) == cents


def test_quantities_are_mostly_one_to_three(sessions: list[list[Event]]) -> None:
    quantities = Counter(order["quantity"] for events in sessions for order in orders(events))
    small = sum(quantities[n] for n in (1, 2, 3))
    assert small > 0.9 * quantities.total()


def test_few_products_sell_most_and_countries_differ(sessions: list[list[Event]]) -> None:
    sold = Counter(event["product_id"] for events in sessions for event in events)
    top = sum(n for _, n in sold.most_common(len(sold) // 10))
    assert top > 0.3 * sold.total()
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    for events in sessions:
        categories[events[0]["country"]][events[0]["category"]] += 1
    favourites = {tuple(name for name, _ in counts.most_common(3)) for counts in categories.values()}
    assert len(categories) == 5
    assert len(favourites) > 1
