"""The rules to start with are valid, of all kinds, and need one list."""

from app.fraud.rulebook import missing_lists
from app.fraud.rules import KIND_NAMES
from app.fraud.starter_rules import STARTER_LIST, starter_rules


def test_they_are_of_all_kinds_and_have_ids_of_their_own() -> None:
    rules = starter_rules()
    assert {rule.kind for rule in rules} == set(KIND_NAMES)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.state == "active" for rule in rules)


def test_the_list_they_need_is_the_starter_list() -> None:
    assert {name for rule in starter_rules() for name in missing_lists(rule, {})} == {STARTER_LIST}
