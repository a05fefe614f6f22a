"""The laboratory's figures of a small set."""

from app.fraud.starter_rules import starter_rules
from tests.bench.detection.orders import lab_settings, make_orders
from tests.bench.detection.part import judged, rulebook_of


def test_the_starter_rules_find_what_the_guides_alone_do_not() -> None:
    figures = judged(rulebook_of(starter_rules()), make_orders(lab_settings(7, 20_000, 4_000))).report()
    assert figures["precision"] > 0.5
    assert figures["recall"] > 0.6
    assert all(attack["detected"] > 0.5 for attack in figures["attacks"].values())
