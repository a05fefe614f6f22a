"""Rules are read strictly: what is wrong is named with its field, and what is right survives its storage."""

import json
from typing import Any

import pytest

from app.fraud.rule_errors import InvalidRuleError
from app.fraud.rules import KIND_NAMES, definition_of, parse_rule, rule_from
from tests.fraud.kinds import EVERY_KIND

AMOUNT = {"kind": "amount", "id": "large", "name": "Large", "above": "5000.00"}
VELOCITY = {"kind": "velocity", "id": "fast", "name": "Fast", "more_than": 5, "seconds": 60}
DEVIATION = {"kind": "deviation", "id": "odd", "name": "Odd", "deviations": 4, "orders": 50, "at_least": 5}
TESTING = {
    "kind": "card_testing",
    "id": "t",
    "name": "T",
    "at_least": 5,
    "below": "2.00",
    "above": "100.00",
    "seconds": 600,
}


@pytest.mark.parametrize("rule", EVERY_KIND, ids=lambda rule: rule.id)
def test_a_rule_survives_its_storage(rule: Any) -> None:
    assert parse_rule(definition_of(rule)) == rule
    assert rule_from(json.loads(definition_of(rule))) == rule


def test_every_kind_has_a_rule_here() -> None:
    assert {rule.kind for rule in EVERY_KIND} == set(KIND_NAMES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind: Object missing required field `kind`; the kinds are amount, quantity"),
        (AMOUNT | {"kind": "weather"}, "kind: Invalid value 'weather'; the kinds are amount, quantity"),
        ({"kind": "amount", "id": "x", "name": "X"}, "Object missing required field `above`"),
        (AMOUNT | {"id": "Large Orders"}, "id: Expected `str` matching regex"),
        (AMOUNT | {"id": "x" * 51}, "50 at most"),
        (AMOUNT | {"name": ""}, "name: Expected `str` of length >= 1"),
        (AMOUNT | {"above": "much"}, "above: Invalid decimal string"),
        (AMOUNT | {"above": 12.345}, "above must be an amount from 0.01 to 9999999999.99 with up to two decimals"),
        (AMOUNT | {"above": "0"}, "above must be an amount from 0.01"),
        (AMOUNT | {"above": "NaN"}, "above must be an amount"),
        (AMOUNT | {"above": "1e40"}, "above must be an amount"),
        (AMOUNT | {"above": None}, "above: Expected"),
        (AMOUNT | {"colour": "red"}, "Object contains unknown field `colour`"),
        (AMOUNT | {"weight": 101}, "weight: Expected `int` <= 100"),
        (AMOUNT | {"severity": "grave"}, "severity: Invalid enum value 'grave'"),
        (AMOUNT | {"state": "on"}, "state: Invalid enum value 'on'"),
        (AMOUNT | {"cooldown_minutes": -1}, "cooldown_minutes: Expected `int` >= 0"),
        (AMOUNT | {"where": {"country": ["UK"]}}, "where: Object contains unknown field `country`"),
        (AMOUNT | {"where": {"country_in": []}}, "where.country_in: Expected `array` of length >= 1"),
        (AMOUNT | {"where": {"amount_from": "9", "amount_to": "1"}}, "where.amount_from is above where.amount_to"),
        (VELOCITY | {"seconds": 0}, "seconds: Expected `int` >= 1"),
        (VELOCITY | {"seconds": 30 * 86_400}, "seconds: Expected `int` <= 86400"),
        (VELOCITY | {"more_than": "five"}, "more_than: Expected `int`, got `str`"),
        (VELOCITY | {"more_than": 2.5}, "more_than: Expected `int`, got `float`"),
        (AMOUNT | {"id": "large\n"}, "id: Expected `str` matching regex"),
        (DEVIATION | {"deviations": "NaN"}, "deviations must be a number from 0.1 to 100"),
        (DEVIATION | {"deviations": "Infinity"}, "deviations must be a number from 0.1 to 100"),
        (DEVIATION | {"at_least": 51}, "at_least exceeds orders"),
        (DEVIATION | {"deviations": "0.001"}, "deviations must be a number from 0.1 to 100"),
        (TESTING | {"below": "200.00"}, "below must not exceed above"),
        (
            {"kind": "distinct", "id": "d", "name": "D", "field": "user_id", "at_least": 3, "seconds": 60},
            "field: Invalid",
        ),
    ],
)
def test_an_invalid_rule_is_refused_with_its_field(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRuleError, match=r"\S") as refusal:
        parse_rule(json.dumps(values))
    assert message in str(refusal.value)
    with pytest.raises(InvalidRuleError):
        rule_from(values)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}{}", '{"x":' + "[" * 30_000 + "]" * 30_000 + "}"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRuleError):
        parse_rule(text)
