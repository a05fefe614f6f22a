"""Editions: every change makes one, nothing is lost of those before, and of two people the second is refused."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.errors import SettingsError
from app.fraud.editions import ListEntry, RuleDesk, ensure_first_edition, load_rulebook, rewrite_lists
from app.fraud.rule_errors import InvalidRuleError, TakenNameError, UnknownNameError, VersionConflictError
from app.fraud.rules import Amount, Listed
from app.postgres.migrate import migrate
from app.settings import AnomalySettings, Settings
from tests.sink.chunk_slices import NOON
from tests.support.databases import Database, database

__all__ = ["database"]

CHEAP = Amount(id="cheap", name="Cheap", above=Decimal("10.00"), state="active")


async def test_edition_1_has_the_guides_rules(database: Database) -> None:
    async with database.reader() as reader:
        book = await load_rulebook(reader)
    assert (book.edition, book.review_from, book.block_from) == (1, 30, 80)
    assert [(v.rule.id, v.version, v.rule.state) for v in book.rules] == [
        ("high_value", 1, "active"),
        ("unusual_quantity", 1, "active"),
        ("rapid_transactions", 1, "active"),
    ]


async def test_other_settings_change_no_rule_that_exists(database: Database) -> None:
    await migrate(database.postgres, AnomalySettings(high_value=Decimal("1.00")))
    async with database.reader() as reader:
        assert (await load_rulebook(reader)).rules[0].rule.threshold == Decimal("5000.00")


@pytest.mark.parametrize("name", ["UNUSUAL_QUANTITY", "RAPID_TRANSACTIONS"])
def test_a_setting_that_no_rule_can_have_is_refused(name: str) -> None:
    """As of someone who switched a rule off by a number that nobody reaches."""
    Settings({f"GLOBALMART_ANOMALY_{name}": "1000000"})
    with pytest.raises(SettingsError, match=name):
        Settings({f"GLOBALMART_ANOMALY_{name}": "1000001"})


async def test_a_first_edition_that_nobody_could_read_is_not_stored(database: Database) -> None:
    thresholds = AnomalySettings().model_copy(update={"rapid_transactions": 10**9})
    async with database.owner() as owner:
        await owner.execute("TRUNCATE fraud_editions CASCADE")
        with pytest.raises(InvalidRuleError, match=r"more_than: Expected `int` <= 1000000"):
            await ensure_first_edition(owner, thresholds)
        assert await owner.fetchval("SELECT count(*) FROM fraud_editions") == 0
        assert await ensure_first_edition(owner, AnomalySettings())
        assert len((await load_rulebook(owner)).rules) == 3


async def test_every_edition_stays_as_it_was(database: Database) -> None:
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        books = [await load_rulebook(owner)]
        books.append(await desk.make_list("stolen", "for cards"))
        entries = [ListEntry("c1", NOON), ListEntry("c2", note="seen twice")]
        books.append((await desk.put_entries("stolen", entries, "reported")).book)
        books.append(await desk.set_rule(CHEAP, "try it"))
        books.append((await desk.remove_entries("stolen", ["c2", "never there"], "found again")).book)
        books.append(await desk.set_rule(msgspec.structs.replace(CHEAP, weight=7), "less"))
        books.append(await desk.set_thresholds(20, 60, "stricter"))
        assert [book.edition for book in books] == list(range(1, 8))
        assert [await load_rulebook(owner, book.edition) for book in books] == books
        for base in books:
            assert [await load_rulebook(owner, book.edition, base) for book in books] == books
        editions = await owner.fetch("SELECT author, reason FROM fraud_editions ORDER BY edition")
    expires_us = (NOON - EPOCH) // MICROSECOND
    assert books[2].lists == {"stolen": {"c1": expires_us, "c2": None}}
    assert books[4].lists == {"stolen": {"c1": expires_us}}
    assert [(v.rule.id, v.version) for v in books[-1].rules][3] == ("cheap", 2)
    assert [tuple(row) for row in editions][1:3] == [("ann", "for cards"), ("ann", "reported")]


async def test_values_that_are_as_they_should_be_make_no_edition(database: Database) -> None:
    entries = [ListEntry("c1", NOON), ListEntry("c2", note="seen twice")]
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        made = await desk.put_entries("stolen", entries, "reported", create=True)
        assert (made.book.edition, made.changed, made.unchanged) == (2, 2, 0)
        again = await desk.put_entries("stolen", [*entries, entries[0]], "reported again")
        assert again == (made.book, 0, 2, 0)
        assert await desk.remove_entries("stolen", ["never there"], "found") == (made.book, 0, 1, 0)
        assert await load_rulebook(owner) == made.book
        later = await desk.put_entries("stolen", [entries[0], ListEntry("c2", note="thrice")], "another note")
        assert (later.book.edition, later.changed, later.unchanged) == (3, 1, 1)
        removed = await desk.remove_entries("stolen", ["c1", "never there"], "found")
        assert (removed.book.edition, removed.changed, removed.unchanged) == (4, 1, 1)
        back = await desk.put_entries("stolen", [entries[0]], "lost again")
        assert (back.book.edition, set(back.book.lists["stolen"])) == (5, {"c1", "c2"})
        stored = await owner.fetch("SELECT value, edition FROM fraud_list_entries ORDER BY edition, value")
    assert [tuple(row) for row in stored] == [("c1", 2), ("c2", 2), ("c2", 3), ("c1", 4), ("c1", 5)]


async def test_lists_that_were_rewritten_are_read_again(database: Database) -> None:
    """Erasing a user changes values that stand in older editions."""
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        await desk.make_list("known", "")
        before = (await desk.put_entries("known", [ListEntry("ada")], "")).book
        async with owner.transaction():
            await owner.execute("UPDATE fraud_list_entries SET value = 'erased-1'")
            edition = await rewrite_lists(owner, "globalmart erase-user", "a user was erased")
        after = await load_rulebook(owner, base=before)
    assert (after.edition, after.lists) == (edition, {"known": {"erased-1": None}})


async def test_the_second_of_two_people_is_refused(database: Database) -> None:
    async with database.owner() as one, database.owner() as two:
        outcomes = await asyncio.gather(
            *(
                RuleDesk(owner, name).set_rule(replace_weight(weight), "mine", expected_version=1)
                for owner, name, weight in ((one, "ann", 1), (two, "bob", 2))
            ),
            return_exceptions=True,
        )
        conflicts = [outcome for outcome in outcomes if isinstance(outcome, VersionConflictError)]
        assert len(conflicts) == 1 and conflicts[0].current == 2
        assert "rule high_value is at version 2, not 1" in str(conflicts[0])
        assert (await load_rulebook(one)).edition == 2


def replace_weight(weight: int) -> Amount:
    """The guide's first rule with another weight."""
    return Amount(id="high_value", name="High value", above=Decimal("5000.00"), weight=weight, state="active")


async def test_what_is_refused_changes_nothing(database: Database) -> None:
    listed = Listed(id="listed", name="Listed", field="card", list="stolen")
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        with pytest.raises(InvalidRuleError, match="there is no list stolen"):
            await desk.set_rule(listed, "")
        with pytest.raises(UnknownNameError, match="there is no list stolen; the lists are none"):
            await desk.put_entries("stolen", [ListEntry("c1")], "")
        with pytest.raises(InvalidRuleError, match="is no name"):
            await desk.make_list("Stolen Cards", "")
        with pytest.raises(InvalidRuleError, match="review_from not above block_from"):
            await desk.set_thresholds(80, 30, "")
        await desk.make_list("stolen", "")
        with pytest.raises(TakenNameError, match="there is a list stolen already"):
            await desk.make_list("stolen", "")
        with pytest.raises(InvalidRuleError, match="1 to 100 characters"):
            await desk.put_entries("stolen", [ListEntry("")], "")
        with pytest.raises(UnknownNameError, match="there is no edition 99"):
            await load_rulebook(owner, 99)
        book = await load_rulebook(owner)
        assert (book.edition, len(book.rules), book.lists) == (2, 3, {"stolen": {}})


async def test_there_is_a_limit_of_rules(database: Database) -> None:
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        for number in range(197):
            await desk.set_rule(msgspec.structs.replace(CHEAP, id=f"r{number}"), "")
        with pytest.raises(InvalidRuleError, match="there are 200 rules already"):
            await desk.set_rule(CHEAP, "")
        book = await desk.set_rule(msgspec.structs.replace(CHEAP, id="r7", weight=3), "a change is possible")
    assert len(book.rules) == 200 and replace(book, edition=0).version_of("r7") is not None
    assert timedelta(microseconds=book.lookback_us) == timedelta(0)
