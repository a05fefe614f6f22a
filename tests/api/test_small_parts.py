"""Cursors, keys, amounts, entity tags and shared answers, without a server."""

import asyncio
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cache import Cache
from api.cursors import Place, decode, encode
from api.keys import Caller, KeyRing, hash_of, new_key
from api.problems import ProblemError
from api.responses import average, etag_of, matches, to_json
from app.settings.services import keys_of

CENTS = st.integers(0, 10**20)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**63 - 1), st.text())
def test_a_cursor_leads_back_to_its_place(time: datetime, row_id: int, text: str) -> None:
    place = Place(time, row_id)
    assert decode(encode(place, [text, None]), [text, None]) == place


def test_a_cursor_is_good_for_its_question_only() -> None:
    cursor = encode(Place(datetime(2025, 1, 1, tzinfo=UTC), 7), ["high_value"])
    with pytest.raises(ValueError, match="other parameters"):
        decode(cursor, [None])


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_an_invalid_cursor_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        decode(text, [])


@given(CENTS, st.integers(1, 10**9))
def test_the_average_is_rounded_half_up(cents: int, count: int) -> None:
    with localcontext(prec=80):
        exact = Decimal(cents).scaleb(-2) / count
        expected = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert average(Decimal(cents).scaleb(-2), count) == expected


def test_there_is_no_average_of_nothing() -> None:
    assert average(Decimal(0), 0) is None


@given(CENTS)
def test_amounts_are_written_digit_by_digit(cents: int) -> None:
    assert to_json([Decimal(cents).scaleb(-2)]) == f"[{cents // 100}.{cents % 100:02}]".encode()


def test_a_float_trap_is_none() -> None:
    assert to_json({"a": Decimal("9999999999999999.99")}) == b'{"a":9999999999999999.99}'
    assert to_json(Decimal("0E+3")) == b"0"


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ([], False),
        (["*"], True),
        ([" * "], True),
        (['"x"'], False),
        (["{}"], True),
        (['"x", W/{}'], True),
        (['"x"', "{}"], True),
        (['"x"', '"y",{}'], True),
        (['"a, {}"'], False),
        (['"a,b" ,\t{} , "c"'], True),
        (["", "W/{}"], True),
        (['"x"', '"y"'], False),
    ],
)
def test_if_none_match(header: list[str], same: bool) -> None:
    tag = etag_of(b"body")
    assert matches([line.replace("{}", tag) for line in header], tag) is same


def _status(ring: KeyRing, key: str | None) -> int:
    try:
        ring.admit(key)
    except ProblemError as error:
        return error.status
    return 200


def test_without_hashes_everybody_is_admitted() -> None:
    assert _status(KeyRing((), 1, 1, lambda: 0.0), None) == 200


def test_a_key_has_a_name_and_a_role() -> None:
    keys = [new_key() for _ in range(3)]
    digests = [hash_of(key) for key in keys]
    ring = KeyRing(keys_of(f"ann:analyst:{digests[0]}, bo@shop:admin:{digests[1]},{digests[2]}"), 1, 5, lambda: 0.0)
    callers = [ring.admit(key) for key in keys]
    assert callers == [Caller("ann", "analyst"), Caller("bo@shop", "admin"), Caller(digests[2][:8], "read")]
    assert KeyRing((), 1, 1, lambda: 0.0).admit(None) == Caller("local", "admin")


@pytest.mark.parametrize(
    "entry", ["ann:owner:{}", "ann:{}", ":read:{}", "a b:read:{}", "{}x", "read:ann:{}", "Ä:read:{}"]
)
def test_an_entry_that_is_no_key_is_named_and_not_shown(entry: str) -> None:
    digest = hash_of(new_key())
    with pytest.raises(ValueError, match="entry 2 must be a hash or name:role:hash") as refused:
        keys_of(f"{'0' * 64},{entry.format(digest)}")
    assert digest not in str(refused.value)


def test_only_known_keys_are_admitted() -> None:
    key = new_key()
    ring = KeyRing(keys_of(hash_of(key)), 1, 5, lambda: 0.0)
    tried = [key, None, "", hash_of(key), key + "x"]
    assert [_status(ring, each) for each in tried] == [200, 401, 401, 401, 401]


def test_a_key_has_a_burst_and_then_its_rate() -> None:
    seconds = 0.0
    keys = [new_key(), new_key()]
    ring = KeyRing(keys_of(",".join(map(hash_of, keys))), 2.0, 3, lambda: seconds)
    assert [_status(ring, keys[0]) for _ in range(4)] == [200, 200, 200, 429]
    assert _status(ring, keys[1]) == 200
    seconds = 0.5
    assert [_status(ring, keys[0]) for _ in range(2)] == [200, 429]
    seconds = 1000.0
    assert [_status(ring, keys[0]) for _ in range(4)] == [200, 200, 200, 429]


async def test_a_shared_answer_is_computed_once_and_failures_are_not_kept() -> None:
    shared = Cache()
    calls = []

    async def compute() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise ConnectionError
        return len(calls)

    with pytest.raises(ConnectionError):
        await shared.get("a", compute)
    assert await asyncio.gather(*(shared.get("a", compute) for _ in range(5))) == [2] * 5
    assert await shared.get("b", compute) == 3
