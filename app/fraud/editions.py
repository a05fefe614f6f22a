"""Editions in PostgreSQL: the newest one, the rulebook of any, and changes that make the next.

Changes are serialized by one lock, so an edition is visible only after all before it, and a reader that sees
one sees everything in it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
import msgspec

from app.domain.timestamps import EPOCH, MICROSECOND
from app.fraud import catalogue
from app.fraud.rule_errors import InvalidRuleError, TakenNameError, UnknownNameError, VersionConflictError
from app.fraud.rulebook import (
    FIRST_EDITION,
    MAX_LIST_ENTRIES,
    MAX_RULES,
    Entries,
    Rulebook,
    RuleVersion,
    Thresholds,
    guide_rules,
    missing_lists,
    require_lists,
)
from app.fraud.rules import AnyRule, ListName, State, definition_of, parse_rule
from app.fraud.texts import MAX_NOTE, MAX_REASON, MAX_VALUE, checked_text

NEWEST: Final = "SELECT max(edition) FROM fraud_editions"
_EDITION: Final = "SELECT edition, review_from, block_from FROM fraud_editions WHERE edition = $1"
_RULES: Final = """
SELECT version, definition FROM (
    SELECT DISTINCT ON (rule_id) rank, version, definition FROM fraud_rules WHERE edition <= $1
    ORDER BY rule_id, version DESC
) AS newest ORDER BY rank"""
_LISTS: Final = "SELECT list FROM fraud_lists WHERE edition <= $1"
#: The newest state of each value changed in ($1, $2].
_ENTRIES: Final = """
SELECT DISTINCT ON (list, value) list, value, present, expires_at FROM fraud_list_entries
WHERE edition > $1 AND edition <= $2 ORDER BY list, value, edition DESC"""
_IS_REWRITTEN: Final = (
    "SELECT EXISTS (SELECT FROM fraud_editions WHERE edition > $1 AND edition <= $2 AND rewrites_lists)"
)
#: A NUL in JSON, which PostgreSQL does not store.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
#: Any constant. The desk's role may only insert, which is too little for a lock of the table.
_LOCK: Final = "SELECT pg_advisory_xact_lock(7116021904)"
_INSERT_EDITION: Final = """
INSERT INTO fraud_editions (edition, author, reason, review_from, block_from, rewrites_lists)
VALUES ($1, $2, $3, $4, $5, $6)"""
_INSERT_RULE: Final = """
INSERT INTO fraud_rules (rule_id, version, edition, definition, rank) VALUES ($1::TEXT, $2, $3, $4,
    coalesce(
        (SELECT max(rank) FROM fraud_rules WHERE rule_id = $1::TEXT),
        (SELECT count(DISTINCT rule_id) FROM fraud_rules)))"""
_INSERT_LIST: Final = "INSERT INTO fraud_lists (list, edition) VALUES ($1, $2)"
_INSERT_ENTRIES: Final = """
INSERT INTO fraud_list_entries (list, value, edition, present, expires_at, note)
SELECT $1, value, $2, present, expires_at, note
FROM unnest($3::TEXT[], $4::BOOLEAN[], $5::TIMESTAMPTZ[], $6::TEXT[]) AS s (value, present, expires_at, note)"""


#: The newest state of some values of a list.
_STATES: Final = """
SELECT DISTINCT ON (value) value, present, expires_at, note FROM fraud_list_entries
WHERE list = $1 AND value = ANY($2::TEXT[]) ORDER BY value, edition DESC"""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A value of a list; `expires_at` is the event time from which it no longer counts, None never."""

    value: str
    expires_at: datetime | None = None
    note: str = ""


class RulesSet(NamedTuple):
    """What became of several rules, by their ids; `lists` were made for them."""

    edition: int
    made: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    lists: tuple[str, ...]


class EntriesSet(NamedTuple):
    """What became of values of a list, by their number; `book` is the newest rulebook, whoever made it.

    Of those that were `changed`, so many were `added`.
    """

    book: Rulebook
    changed: int
    unchanged: int
    added: int


async def newest_edition(connection: asyncpg.Connection) -> int:
    """Returns the newest edition; 0 in a database that was not migrated to have one."""
    return await connection.fetchval(NEWEST) or 0


async def load_rulebook(
    connection: asyncpg.Connection, edition: int | None = None, base: Rulebook | None = None
) -> Rulebook:
    """Returns the rulebook of an edition, by default the newest; with an older `base` only what changed is read.

    Raises UnknownNameError if there is no such edition.
    """
    wanted = await newest_edition(connection) if edition is None else edition
    row = await connection.fetchrow(_EDITION, wanted)
    if row is None:
        raise UnknownNameError(f"there is no edition {wanted}: run `globalmart migrate`")
    rules = await connection.fetch(_RULES, wanted)
    return Rulebook(
        wanted,
        tuple(RuleVersion(parse_rule(rule["definition"]), rule["version"]) for rule in rules),
        await _load_lists(connection, wanted, base),
        row["review_from"],
        row["block_from"],
    )


async def _load_lists(connection: asyncpg.Connection, edition: int, base: Rulebook | None) -> Mapping[str, Entries]:
    since = 0
    lists: dict[str, dict[str, int | None]] = {}
    rewritten = await connection.fetchval(_IS_REWRITTEN, 0 if base is None else base.edition, edition)
    if base is not None and base.edition <= edition and not rewritten:
        since = base.edition
        lists = {name: dict(entries) for name, entries in base.lists.items()}
    for row in await connection.fetch(_LISTS, edition):
        lists.setdefault(row["list"], {})
    for row in await connection.fetch(_ENTRIES, since, edition):
        entries, expires_at = lists[row["list"]], row["expires_at"]
        if row["present"]:
            entries[row["value"]] = None if expires_at is None else (expires_at - EPOCH) // MICROSECOND
        else:
            entries.pop(row["value"], None)
    return lists


async def ensure_first_edition(connection: asyncpg.Connection, thresholds: Thresholds) -> bool:
    """Makes edition 1 of the guide's rules with these thresholds, if there is none; returns whether it did.

    Raises InvalidRuleError for thresholds that no rule can have: what is stored can be read, or nobody could change it.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        if await newest_edition(connection):
            return False
        first = Rulebook(FIRST_EDITION)
        await _insert_edition(connection, first, "globalmart migrate", "the guide's rules")
        for rule in guide_rules(thresholds):
            definition = definition_of(rule)
            parse_rule(definition)
            await connection.execute(_INSERT_RULE, rule.id, 1, FIRST_EDITION, definition)
    return True


@dataclass(frozen=True, slots=True)
class RuleDesk:
    """Changes rules and lists; each change is one transaction and makes one edition by `author`."""

    connection: asyncpg.Connection
    author: str

    async def set_rule(self, rule: AnyRule, reason: str, expected_version: int | None = None) -> Rulebook:
        """Adds the rule, or changes the one of its id; returns the new rulebook.

        With `expected_version` (0 for a new rule) raises VersionConflictError if the rule has another one now. Raises
        InvalidRuleError for a list that does not exist and for too many rules.
        """
        async with self.connection.transaction():
            book = await self._locked()
            present = book.version_of(rule.id)
            version = 0 if present is None else present.version
            if expected_version is not None and version != expected_version:
                raise VersionConflictError(_changed(rule.id, expected_version, version), version)
            await self._insert_rules(book, [rule], reason)
            return await load_rulebook(self.connection, base=book)

    async def set_rules(self, rules: Sequence[AnyRule], reason: str, *, create_lists: bool = False) -> RulesSet:
        """Adds or changes rules in one edition, all or none; if all are as they should be, no edition is made.

        With `create_lists` the lists that they name are made, empty. Raises InvalidRuleError as `set_rule`, and for an
        id that is there twice.
        """
        async with self.connection.transaction():
            book = await self._locked()
            present = {rule.id: book.version_of(rule.id) for rule in rules}
            ids = [rule.id for rule in rules]
            for rule_id in present:
                if ids.count(rule_id) > 1:
                    raise InvalidRuleError(f"id: {rule_id} is there twice; leave one of them out")
            new = [rule for rule in rules if (was := present[rule.id]) is None or was.rule != rule]
            lists = sorted({name for rule in new for name in missing_lists(rule, book.lists)} if create_lists else ())
            edition = await self._insert_rules(book, new, reason, lists) if new else book.edition
        made = tuple(rule.id for rule in new if present[rule.id] is None)
        changed = tuple(rule.id for rule in new if present[rule.id] is not None)
        unchanged = tuple(rule.id for rule in rules if rule.id not in {*made, *changed})
        return RulesSet(edition, made, changed, unchanged, tuple(lists))

    async def set_state(self, rule_id: str, state: State, reason: str) -> Rulebook | None:
        """Changes the state of a rule; returns None if it has it already. Raises UnknownNameError."""
        async with self.connection.transaction():
            book = await self._locked()
            present = book.version_of(rule_id)
            if present is None:
                known = ", ".join(version.rule.id for version in book.rules)
                raise UnknownNameError(f"there is no rule {rule_id}; the rules are {known}")
            if present.rule.state == state:
                return None
            return await self.set_rule(msgspec.structs.replace(present.rule, state=state), reason, present.version)

    async def set_thresholds(
        self, review_from: int, block_from: int, reason: str, expected_version: int | None = None
    ) -> Rulebook:
        """Changes the scores from which an order is reviewed and blocked; makes no edition if they are so already.

        Raises InvalidRuleError, VersionConflictError if they have another version than expected.
        """
        if not 1 <= review_from <= block_from <= 100:
            raise InvalidRuleError("review_from and block_from must be 1 to 100, and review_from not above block_from")
        async with self.connection.transaction():
            book = await self._locked()
            version = await catalogue.thresholds_version(self.connection)
            if expected_version not in (None, version):
                found = f"the thresholds are at version {version}, not {expected_version}"
                raise VersionConflictError(f"{found}: read them again, then change them", version)
            if (review_from, block_from) == (book.review_from, book.block_from):
                return book
            edition = await self._next(replace(book, review_from=review_from, block_from=block_from), reason)
            return await load_rulebook(self.connection, edition, book)

    async def make_list(self, name: str, reason: str) -> Rulebook:
        """Makes an empty list; raises InvalidRuleError for a name that is not allowed, TakenNameError."""
        _check_list_name(name)
        async with self.connection.transaction():
            book = await self._locked()
            if name in book.lists:
                raise TakenNameError(f"there is a list {name} already; add values to it, or choose another name")
            edition = await self._next(book, reason)
            await self.connection.execute(_INSERT_LIST, name, edition)
            return await load_rulebook(self.connection, edition, book)

    async def put_entries(
        self, name: str, entries: Sequence[ListEntry], reason: str, *, create: bool = False
    ) -> EntriesSet:
        """Adds values to a list, or changes them; with `create` the list is made if it does not exist.

        If all are on it as they should be, no edition is made. Raises InvalidRuleError, and UnknownNameError without
        such a list.
        """
        return await self._change_entries(name, entries, reason, present=True, create=create)

    async def remove_entries(self, name: str, values: Sequence[str], reason: str) -> EntriesSet:
        """Removes values from a list; those that are not on it are no error, and if none is, no edition is made.

        Raises as `put_entries`.
        """
        return await self._change_entries(name, [ListEntry(value) for value in values], reason, present=False)

    async def _change_entries(
        self, name: str, entries: Sequence[ListEntry], reason: str, *, present: bool, create: bool = False
    ) -> EntriesSet:
        unique = {checked_value(entry.value): entry for entry in entries}
        for entry in entries:
            checked_text("note", entry.note, MAX_NOTE)
        async with self.connection.transaction():
            book = await self._locked()
            is_new = create and name not in book.lists
            if is_new:
                _check_list_name(name)
            elif name not in book.lists:
                raise UnknownNameError(
                    f"there is no list {name}; the lists are {', '.join(sorted(book.lists)) or 'none'}"
                )
            before = len(book.lists.get(name, {}))
            after = len(book.lists.get(name, {}).keys() | unique.keys()) if present else 0
            if after > MAX_LIST_ENTRIES:
                raise InvalidRuleError(f"the list {name} would have {after:,} values; {MAX_LIST_ENTRIES:,} are allowed")
            changed = await self._differing(name, unique, present=present)
            if changed or is_new:
                edition = await self._next(book, reason)
                if is_new:
                    await self.connection.execute(_INSERT_LIST, name, edition)
                await self._insert_entries(name, edition, changed, present=present)
                book = await load_rulebook(self.connection, edition, book)
        added = max(len(book.lists[name]) - before, 0)
        return EntriesSet(book, len(changed), len(unique) - len(changed), added)

    async def _differing(self, name: str, unique: Mapping[str, ListEntry], *, present: bool) -> list[ListEntry]:
        """The entries that are not on the list as they should be; to remove, those that are on it."""
        rows = await self.connection.fetch(_STATES, name, list(unique))
        on_it = {
            row["value"]: ListEntry(row["value"], row["expires_at"], row["note"]) for row in rows if row["present"]
        }
        if present:
            return [entry for value, entry in unique.items() if on_it.get(value) != entry]
        return [entry for value, entry in unique.items() if value in on_it]

    async def _insert_entries(self, name: str, edition: int, entries: Sequence[ListEntry], *, present: bool) -> None:
        await self.connection.execute(
            _INSERT_ENTRIES,
            name,
            edition,
            [entry.value for entry in entries],
            [present] * len(entries),
            [entry.expires_at for entry in entries],
            [entry.note for entry in entries],
        )

    async def _insert_rules(
        self, book: Rulebook, rules: Sequence[AnyRule], reason: str, new_lists: Sequence[str] = ()
    ) -> int:
        """Inserts an edition with these rules and empty lists; returns it."""
        definitions = [definition_of(rule) for rule in rules]
        if any(_NUL.search(definition) for definition in definitions):
            raise InvalidRuleError("a NUL character cannot be stored: remove it")
        for rule in rules:
            require_lists(rule, [*book.lists, *new_lists])
        versions = {version.rule.id: version.version for version in book.rules}
        if len(versions.keys() | {rule.id for rule in rules}) > max(MAX_RULES, len(versions)):
            raise InvalidRuleError(
                f"there are {len(versions)} rules already, {MAX_RULES} are allowed: change one that is paused"
            )
        edition = await self._next(book, reason)
        for name in new_lists:
            await self.connection.execute(_INSERT_LIST, name, edition)
        for rule, definition in zip(rules, definitions, strict=True):
            version = versions.get(rule.id, 0) + 1
            await self.connection.execute(_INSERT_RULE, rule.id, version, edition, definition)
        return edition

    async def _locked(self) -> Rulebook:
        await self.connection.execute(_LOCK)
        return await load_rulebook(self.connection)

    async def _next(self, book: Rulebook, reason: str) -> int:
        """Inserts the edition after the newest one, with the thresholds of `book`."""
        checked_text("reason", reason, MAX_REASON)
        following = replace(book, edition=await newest_edition(self.connection) + 1)
        await _insert_edition(self.connection, following, self.author, reason)
        return following.edition


async def lock_editions(connection: asyncpg.Connection) -> None:
    """Lets nobody else change rules or lists until the end of the transaction, and waits for who is changing them."""
    await connection.execute(_LOCK)


async def rewrite_lists(connection: asyncpg.Connection, author: str, reason: str) -> int:
    """Makes an edition that lets every worker read all lists again; the caller's transaction has changed values."""
    await connection.execute(_LOCK)
    book = await load_rulebook(connection)
    following = replace(book, edition=book.edition + 1)
    await _insert_edition(connection, following, author, reason, rewrites_lists=True)
    return following.edition


async def _insert_edition(
    connection: asyncpg.Connection, book: Rulebook, author: str, reason: str, *, rewrites_lists: bool = False
) -> None:
    await connection.execute(
        _INSERT_EDITION, book.edition, author, reason, book.review_from, book.block_from, rewrites_lists
    )


def _changed(rule_id: str, expected: int, version: int) -> str:
    if version == 0:
        return f"there is no rule {rule_id}, so it has no version {expected}"
    return f"rule {rule_id} is at version {version}, not {expected}: read it again, then change it"


def _check_list_name(name: str) -> None:
    try:
        msgspec.convert(name, ListName)
    except msgspec.ValidationError:
        raise InvalidRuleError(
            f"list: {name!r} is no name; write lower-case letters, digits and _, 50 at most"
        ) from None


def checked_value(value: str) -> str:
    """Returns the value of a list; raises InvalidRuleError for one that cannot be on a list."""
    if not 1 <= len(value) <= MAX_VALUE or "\0" in value:
        raise InvalidRuleError(f"value: a value of a list has 1 to {MAX_VALUE} characters, none of them NUL")
    return value
