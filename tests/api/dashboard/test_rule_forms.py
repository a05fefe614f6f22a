"""The forms of rules ask for what the kinds need, and nothing else."""

from typing import get_args

import msgspec
import pytest

from api.dashboard import rule_forms
from app.fraud.editions import RuleDesk
from app.fraud.rules import KIND_NAMES, KINDS, SEVERITIES, ListedField, Rule, Trait
from tests.api.dashboard.running import again, cards, leading_to, messages, served_in_thread
from tests.support.databases import Database


def test_every_kind_has_a_form() -> None:
    assert tuple(rule_forms.KINDS) == KIND_NAMES
    assert rule_forms._SEVERITIES == SEVERITIES
    assert get_args(Trait) == rule_forms._TRAITS
    assert get_args(ListedField) == rule_forms.LISTED


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_a_form_asks_for_every_parameter(kind: type[Rule]) -> None:
    common = {field.name for field in msgspec.structs.fields(Rule)}
    parameters = {field.name for field in msgspec.structs.fields(kind)} - common
    asked = rule_forms.KINDS[str(kind.__struct_config__.tag)].parameters
    assert {parameter.name for parameter in asked} == parameters


def test_a_rule_is_described_in_words() -> None:
    definition = {
        "kind": "amount",
        "above": "600.00",
        "where": {"country_in": ["UK", "USA"]},
        "weight": 50,
        "severity": "high",
        "cooldown_minutes": 0,
    }
    assert rule_forms.in_words(definition) == [
        "Above: 600.00",
        "Only where country in: UK, USA",
        "Weight in the risk score: 50; severity high",
    ]


@pytest.mark.parametrize("text", ["", "many", "5.000,00", "nan", "inf"])
def test_what_is_not_a_number_is_named_by_its_label(text: str) -> None:
    given = {"kind": "amount", "id": "large", "name": "Large", "above": text}
    assert [fault.split(".")[0] for fault in rule_forms.faults(given)] == ["**Above is not a number"]
    assert rule_forms.faults(given | {"above": "5000.00"}) == []


def test_without_a_list_it_is_said_how_one_is_made() -> None:
    given = {"kind": "list", "id": "stolen", "name": "Stolen", "list": ""}
    assert [fault.split(".")[0] for fault in rule_forms.faults(given)] == ["**There is no list"]
    assert rule_forms.faults(given | {"list": "stolen_cards"}) == []


async def test_without_rules_it_is_said_what_that_means(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.owner() as owner:
        await owner.execute("DELETE FROM fraud_rules")
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        page = dashboard.opened("rules")
    assert "There is no rule yet, so every order is let through." in messages(page)
    assert not page.error


async def test_scores_that_somebody_else_changed_are_shown(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        page = dashboard.opened("rules")
        async with database.owner() as owner:
            await RuleDesk(owner, "bo").set_thresholds(40, 90, "too many cases")
        next(each for each in page.number_input if each.label == "Block from").set_value(70)
        next(each for each in page.button if each.label == "Change the scores").click()
        again(page)
        assert "the thresholds are at version 2, not 1" in messages(page)
        assert cards(page)["Block from"] == "90 points"
        assert dashboard.answer("thresholds")["block_from"] == 90
