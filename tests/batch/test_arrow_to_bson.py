"""Arrow rows as MongoDB documents: the same bytes as Python's own values would give."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import pyarrow as pa
import pytest
from bson.decimal128 import Decimal128

from batch.arrow_to_bson import documents

_TIME = datetime(2026, 1, 31, 23, 59, 59, 999_999, UTC)
_EARLY = datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)
_MONEY = pa.decimal128(24, 2)


def _stored(values: list[Any], kind: pa.DataType) -> list[Any]:
    """What a reader of MongoDB gets for a column."""
    batch = pa.record_batch([pa.array(values, kind)], names=["value"])
    return [bson.decode(bson.encode(document))["value"] for document in documents(batch)]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (_MONEY, ["0.00", "0.01", "19.90", "92233720368547758.07"]),
        (_MONEY, ["92233720368547758.08", "9999999999999999999999.99"]),
        (_MONEY, ["-0.01", "1.00"]),
        (pa.decimal128(24, 4), ["0.0000", "1.2300", "-0.5000"]),
    ],
)
def test_a_decimal_keeps_value_and_scale(kind: pa.DataType, texts: list[str]) -> None:
    assert [str(value) for value in _stored([Decimal(text) for text in texts], kind)] == texts


def test_nulls_change_no_neighbour() -> None:
    texts = ["92233720368547758.07", None, "-0.01", None, "92233720368547758.08"]
    for part in (texts, texts[:2], texts[1:4], texts[3:]):
        values = [None if text is None else Decimal(text) for text in part]
        stored = _stored(values, _MONEY)
        assert [None if value is None else str(value) for value in stored] == part


def test_null_stays_null() -> None:
    assert _stored([Decimal("1.00"), None], _MONEY) == [Decimal128("1.00"), None]
    assert _stored([None], pa.timestamp("us", "UTC")) == [None]
    assert _stored(["", None], pa.string()) == ["", None]


def test_a_time_loses_its_microseconds_and_nothing_else() -> None:
    stored = _stored([_TIME, _EARLY], pa.timestamp("us", "UTC"))
    assert stored == [datetime(2026, 1, 31, 23, 59, 59, 999_000), datetime(1969, 12, 31, 23, 59, 59, 999_000)]


def test_a_slice_gives_its_own_rows() -> None:
    batch = pa.record_batch([pa.array([Decimal(n) for n in range(5)], _MONEY)], names=["n"])
    assert [row["n"] for row in documents(batch.slice(2, 2))] == [Decimal128("2.00"), Decimal128("3.00")]


def test_a_key_of_several_columns_is_a_document_in_their_order() -> None:
    kind = pa.struct([("hour", pa.timestamp("us", "UTC")), ("country", pa.string())])
    rows = _stored([{"hour": _TIME, "country": "UK"}], kind)
    assert [list(row) for row in rows] == [["hour", "country"]]
    assert rows[0]["country"] == "UK"
