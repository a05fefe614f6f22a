"""Decoded records without erased users: rows under pseudonyms, dead letters without their bytes.

It happens after a record has been judged, so a verdict never depends on it. `transaction_id` and `event_id` stay: by
them repetitions are known.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from app.domain.pseudonyms import ErasedUsers, Personal, Pseudonym
from app.events.rejections import DeadLetter
from app.events.rows import DecodedRecords, RowT

ERASED_DETAIL: Final = "erased with its user"
#: To the next quote or to the end, so that no hostile record is scanned more than once.
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)', re.DOTALL)
_LONGEST: Final = 100  # characters an id may have


def without_erased(
    decoded: DecodedRecords[RowT], erased: ErasedUsers, personal: Mapping[str, Personal]
) -> DecodedRecords[RowT]:
    """Returns the same records with erased users renamed in the topic's `personal` fields.

    It is the very object where none of them is erased.
    """
    rows = _renamed(decoded.rows, erased, personal)
    letters = [_blanked(letter, erased) for letter in decoded.dead_letters]
    if rows is decoded.rows and letters == decoded.dead_letters:
        return decoded
    return replace(decoded, rows=rows, dead_letters=letters)


def mentioned(key: bytes | None, value: bytes | None) -> Iterator[str]:
    """Every text a record may name a user by: its key, and all strings and numbers of its value.

    Of a value that is no JSON all that stands between quotes.
    """
    if key:
        yield key.decode("utf-8", "replace")
    if not value:
        return
    try:
        document = json.loads(value, object_pairs_hook=list, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        for match in _QUOTED.finditer(value.decode("utf-8", "replace")):
            yield match[1]
            yield _unescaped(match[1])
        return
    yield from _texts(document)


def is_json(value: bytes | None) -> bool:
    """Whether all texts of a value are known, because it can be read."""
    try:
        json.loads(value or b"null")
    except (ValueError, RecursionError):
        return False
    return True


def _renamed(rows: list[RowT], erased: ErasedUsers, personal: Mapping[str, Personal]) -> list[RowT]:
    if not personal:
        return rows
    users: set[str] = {row.user_id for row in rows}  # type: ignore[attr-defined]
    found = {user: name for user in users if (name := erased.find(user)) is not None}
    if not found:
        return rows
    return [_as(row, found.get(row.user_id), personal) for row in rows]  # type: ignore[attr-defined]


def _as(row: Any, pseudonym: Pseudonym | None, personal: Mapping[str, Personal]) -> Any:
    if pseudonym is None:
        return row
    return row._replace(**{name: pseudonym.of(kind, getattr(row, name)) for name, kind in personal.items()})


def _blanked(letter: DeadLetter, erased: ErasedUsers) -> DeadLetter:
    texts = {text for text in mentioned(letter.key, letter.value) if len(text) <= _LONGEST}
    if all(erased.find(text) is None for text in texts):
        return letter
    return letter._replace(key=None, value=None, detail=ERASED_DETAIL, erased=True)


def _texts(document: Any) -> Iterator[str]:
    """Strings of a document whose objects are lists of pairs, so that no repeated field is missed."""
    waiting = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, list | tuple):
            waiting.extend(found)


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
