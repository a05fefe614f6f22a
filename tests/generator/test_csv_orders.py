"""Orders from files: layouts, ids, bad rows, moved dates, and the CDNOW data set."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from app.generator.csv_orders import CsvError, CsvFormat, CsvOrder, read_orders, shifted_to
from app.generator.csv_source import CsvSource
from app.generator.presets import CDNOW, Preset, locate
from tests.generator.shop import decode_all

SHOP_CSV = """Order;Customer;When;Sum;Items
o1;ann;02.01.2025 10:00;19.90;2
o2;bob;01.01.2025 09:30;5;1
"""
SHOP_COLUMNS = {
    "transaction_id": "Order",
    "user_id": "Customer",
    "timestamp": "When",
    "total_amount": "Sum",
    "quantity": "Items",
}
SHOP = CsvFormat(SHOP_COLUMNS, ";", "%d.%m.%Y %H:%M")
PLAIN = CsvFormat({})


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str, layout: CsvFormat = PLAIN) -> list[CsvOrder]:
    return read_orders(write(tmp_path, text), layout, skip_bad=False)[0]


def test_columns_are_mapped_and_orders_sorted_by_time(tmp_path: Path) -> None:
    source = CsvSource(read(tmp_path, SHOP_CSV, SHOP))
    values = [orjson.loads(record.value or b"") for record in source.records(1 << 60, 0, None)]
    assert values == [
        {
            "transaction_id": "o2",
            "user_id": "bob",
            "total_amount": 5,
            "quantity": 1,
            "timestamp": "2025-01-01T09:30:00.000000Z",
        },
        {
            "transaction_id": "o1",
            "user_id": "ann",
            "total_amount": 19.9,
            "quantity": 2,
            "timestamp": "2025-01-02T10:00:00.000000Z",
        },
    ]


def test_columns_named_like_fields_need_no_mapping(tmp_path: Path) -> None:
    text = "user_id,timestamp,total_amount,country\nann,2025-01-01T10:00:00+02:00,1.005,UK\n"
    (order,) = read(tmp_path, text)
    assert order.fields["country"] == "UK"
    assert order.at_us == int(datetime(2025, 1, 1, 8, tzinfo=UTC).timestamp()) * 1_000_000


def test_derived_ids_tell_identical_rows_apart_and_repeat(tmp_path: Path) -> None:
    text = "user_id,timestamp,total_amount\n" + "ann,2025-01-01,5.00\n" * 2
    ids = [order.fields["transaction_id"] for order in read(tmp_path, text)]
    assert len(set(ids)) == 2
    assert [order.fields["transaction_id"] for order in read(tmp_path, text)] == ids


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (",2025-01-01,5", "user_id is empty"),
        ("ann,someday,5", "someday"),
        ("ann,2025-01-01,five", "no amount"),
        ("ann,2025-01-01,-5", "no amount"),
        ("ann,2025-01-01,nan", "no amount"),
        ("a" * 101 + ",2025-01-01,5", "user_id"),
    ],
)
def test_a_bad_row_is_named_or_skipped(tmp_path: Path, row: str, complaint: str) -> None:
    path = write(tmp_path, f"user_id,timestamp,total_amount\nbob,2025-01-01,1\n{row}\n")
    with pytest.raises(CsvError, match=rf"row 2.*{complaint}"):
        read_orders(path, PLAIN, skip_bad=False)
    orders, skipped = read_orders(path, PLAIN, skip_bad=True)
    assert (len(orders), skipped) == (1, 1)


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match=r"no column total_amount; it has: user_id, timestamp, Sum"):
        read(tmp_path, "user_id,timestamp,Sum\n")


def test_another_encoding_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("user_id,timestamp,total_amount\nJosé,2025-01-01,5\n".encode("latin-1"))
    with pytest.raises(CsvError, match="not UTF-8"):
        read_orders(path, PLAIN, skip_bad=True)


def test_shift_moves_by_whole_days_to_the_end(tmp_path: Path) -> None:
    orders = read(tmp_path, SHOP_CSV, SHOP)
    end = datetime(2025, 6, 30, 9, tzinfo=UTC)
    moved = shifted_to(orders, int(end.timestamp()) * 1_000_000)
    last = datetime.fromtimestamp(moved[-1].at_us / 1_000_000, UTC)
    assert last == datetime(2025, 6, 29, 10, tzinfo=UTC)
    assert moved[1].at_us - moved[0].at_us == orders[1].at_us - orders[0].at_us


def test_cdnow_is_read_to_the_last_cent_and_all_of_it_is_accepted() -> None:
    """The published figures of the data set; identical rows are orders of their own."""
    orders, skipped = read_orders(locate(CDNOW), CDNOW.layout, skip_bad=False)
    records = list(CsvSource(orders).records(1 << 60, 0, None))
    decoded = decode_all("transactions", records)
    assert (len(records), skipped, len(decoded.dead_letters)) == (69_659, 0, 0)
    assert len({row.transaction_id for row in decoded.rows}) == 69_659
    assert len({row.user_id for row in decoded.rows}) == 23_570
    total = sum(row.amount_cents for row in decoded.rows)
    assert Decimal(total) / 100 == Decimal("2500315.63")
    rows = Counter((row.user_id, row.timestamp, row.amount_cents, row.quantity) for row in decoded.rows)
    assert sum(rows.values()) - len(rows) == 255
    assert decoded.rows[0].timestamp == datetime(1997, 1, 1, tzinfo=UTC)
    assert decoded.rows[-1].timestamp == datetime(1998, 6, 30, tzinfo=UTC)


def test_a_preset_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(CsvError, match="pip install no-such-package"):
        locate(Preset(PLAIN, "no-such-package", "x.csv"))
