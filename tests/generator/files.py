"""Files of orders for tests, and how they are read."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.decoding import TimeLimits
from app.generator.csv_format import CsvFormat, ImportLimits, ImportRequest
from app.generator.csv_orders import read_orders
from app.generator.csv_report import ImportReport
from app.generator.csv_spool import CsvSource
from app.generator.record import Record

NOW_US = (datetime(2026, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
PLAIN = CsvFormat({})
HEADER = "user_id,timestamp,total_amount"


def limits(retention_days: int | None = None) -> ImportLimits:
    """What a worker at the start of 2026 judges by."""
    return ImportLimits(NOW_US, TimeLimits.of(300, retention_days, EPOCH))


@dataclass(frozen=True, slots=True)
class Found:
    """What an import would send, and its report."""

    report: ImportReport
    records: Sequence[Record]

    @property
    def orders(self) -> list[dict[str, Any]]:
        """The orders' fields."""
        return [orjson.loads(record.value or b"") for record in self.records]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [order["transaction_id"] for order in self.orders]


def write(folder: Path, content: str | bytes, name: str = "orders.csv") -> Path:
    """A file; text is written as UTF-8 with the line ends it has."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(
    folder: Path, content: str | bytes, layout: CsvFormat = PLAIN, *, name: str = "orders.csv", **request: Any
) -> Found:
    """Import a file of this content."""
    return read_file(write(folder, content, name), layout, **request)


def read_file(path: Path, layout: CsvFormat = PLAIN, **request: Any) -> Found:
    """Import a file."""
    spool, report = read_orders(path, layout, ImportRequest(**{"limits": limits(), **request}))
    with closing(CsvSource(spool)) as source:
        records = list(source.records(1 << 60, 0, None))
        assert (source.sent, source.total) == (report.orders, report.total)
    balance(report)
    return Found(report, records)


def balance(report: ImportReport) -> None:
    """Every row of the file is accounted for exactly once."""
    repeated = report.identical.rows + report.conflicting.rows
    accounted = report.orders + report.merged + repeated + report.refused.total() + report.left_out.rows
    assert accounted == report.rows


def money(text: str) -> Decimal:
    """An exact amount."""
    return Decimal(text)
