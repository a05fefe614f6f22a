"""Decoded records of erased users: rows under pseudonyms, letters without their bytes, the rest untouched."""

from typing import Any

import pytest

from app.domain.pseudonyms import NO_ERASED_USERS, ErasedUsers, Pseudonym, user_hash
from app.events.pseudonymize import ERASED_DETAIL, is_json, mentioned, without_erased
from app.events.rows import DecodedRecords
from app.events.topics import transactions
from tests.sink.chunk_slices import letter, order

KEY = b"key"
PERSONAL = transactions.TOPIC.personal
ADA = Pseudonym("erased-1", b"secret")
ERASED = ErasedUsers(KEY, {user_hash(KEY, "ada"): ADA})


def decoded(*rows: Any, letters: list[Any] | None = None) -> DecodedRecords[Any]:
    return DecodedRecords(list(rows), [0] * len(rows), letters or [], [7], [8])


def test_rows_of_an_erased_user_are_renamed_and_nothing_else_changes() -> None:
    mine, alone = order(1, user_id="ada"), order(2, user_id="ada", session_id=None)
    other = order(3, user_id="bob")
    found = without_erased(decoded(mine, alone, other), ERASED, PERSONAL)
    assert found.rows == [
        mine._replace(user_id="erased-1", session_id=ADA.keyed("s1")),
        alone._replace(user_id="erased-1"),
        other,
    ]
    assert (found.rounded_offsets, found.assumed_utc_offsets) == ([7], [8])


@pytest.mark.parametrize("erased", [NO_ERASED_USERS, ERASED])
def test_a_chunk_without_erased_users_is_the_very_same(erased: ErasedUsers) -> None:
    chunk = decoded(order(1, user_id="bob"), letters=[letter(2)])
    assert without_erased(chunk, erased, PERSONAL) is chunk


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"ada", None),
        (b"mallory", b'{"user_id": "ada"}'),
        (b"k", rb'{"user_id": "\u0061da"}'),
        (b"k", b'{"user_id": "ada", "user_id": "bob"}'),
        (b"k", b'[{"deep": ["ada"]}]'),
        (b"k", b'{"user_id": "ada", broken'),
        (b"k", rb'{"user_id": "\u0061da", broken'),
        (b"k", b'{"user_id": "ada", "x": "\xff"}'),
        (b"k", b'{"user_id": "ada'),
        (b"k", rb'{"x": "\ud800", "user_id": "ada"}'),
    ],
)
def test_letters_that_name_an_erased_user_are_blank(key: bytes, value: bytes | None) -> None:
    refused = letter(3)._replace(key=key, value=value)
    (found,) = without_erased(decoded(letters=[refused]), ERASED, PERSONAL).dead_letters
    blank = refused._replace(key=None, value=None, detail=ERASED_DETAIL, erased=True)
    assert found == blank


@pytest.mark.parametrize("value", [b'{"user_id": "adam"}', b'{"note": "ada was here"}', b"", b"ada", rb'["\udfff"]'])
def test_letters_that_do_not_name_one_stay(value: bytes) -> None:
    chunk = decoded(letters=[letter(3)._replace(key=b"k", value=value)])
    assert without_erased(chunk, ERASED, PERSONAL) is chunk


def test_a_hostile_record_is_read_once() -> None:
    value = b'"' + rb"\"" * 2_000_000 + b"\\"
    assert len(list(mentioned(None, value))) == 2


def test_numbers_are_names_as_well() -> None:
    assert set(mentioned(None, b'{"user_id": 4711}')) == {"user_id", "4711"}


def test_a_value_nested_beyond_bounds_is_no_json_and_does_no_harm() -> None:
    value = b"[" * 100_000 + b'"ada"'
    assert not is_json(value)
    assert "ada" in mentioned(None, value)
