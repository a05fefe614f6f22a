"""Converts Arrow batches to MongoDB documents, column by column.

A row-wise conversion spends its time on decimals and times. Here neither becomes a Python object of its own: the 128
bits of a decimal are converted to MongoDB's, a time to milliseconds (microseconds are truncated). Money, ratios and
counts keep their exact values and scales.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

#: A BSON decimal has 14 bits of exponent above 49 bits of digits in its upper half.
_BIAS: Final = 6176
_EXPONENT_BITS: Final = 49


def documents(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Returns one document per row, its fields in the columns' order; nulls stay fields."""
    return list(_rows(batch.schema.names, batch.columns))


def _rows(names: Sequence[str], columns: Sequence[pa.Array]) -> Iterator[dict[str, Any]]:
    for row in zip(*(_values(column) for column in columns), strict=True):
        yield dict(zip(names, row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _times(column)
    if pa.types.is_decimal(kind):
        return _decimals(column)
    if pa.types.is_struct(kind):
        return list(_rows([field.name for field in kind], column.flatten()))
    values: list[Any] = column.to_pylist()
    return values


def _times(column: pa.Array) -> list[DatetimeMS | None]:
    microseconds = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return [None if us is None else DatetimeMS(us // 1000) for us in microseconds.to_pylist()]


def _decimals(column: pa.Array) -> list[Decimal128 | None]:
    """Converts all at once if the unscaled values are from 0 to 2^63 - 1; else one by one."""
    high = (_BIAS - column.type.scale) << _EXPONENT_BITS
    words = np.frombuffer(column.buffers()[1], dtype="<i8").reshape(-1, 2)
    words = words[column.offset : column.offset + len(column)]
    # The bits of a null are undefined.
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if bool((~known | ((words[:, 1] == 0) & (words[:, 0] >= 0))).all()):
        # A tuple of its halves, which the stubs declare as the parts of a Python decimal.
        return [
            Decimal128((high, low)) if valid else None  # type: ignore[arg-type]
            for low, valid in zip(words[:, 0].tolist(), known.tolist(), strict=True)
        ]
    return [None if value is None else Decimal128(value) for value in column.to_pylist()]
