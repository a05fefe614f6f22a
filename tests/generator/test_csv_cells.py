"""Rows and cells: quotes that swallow rows, delimiters, line ends within quotes."""

from pathlib import Path

import pytest

from app.generator.csv_format import CsvError, CsvFormat
from tests.generator.files import HEADER, read

NOTES = f"{HEADER},notes"


def test_cells_in_quotes_may_hold_anything(tmp_path: Path) -> None:
    text = (
        f"{NOTES}\n"
        'ann,2025-01-01,1,"a, b; ""c"""\n'
        '"bob" , "2025-01-02",2,"first line\nsecond, line\n\nlast"\n'
        'eve,2025-01-03,3,""\n'
        "joe,2025-01-04,4,it's\n"
    )
    found = read(tmp_path, text)
    assert [order["user_id"] for order in found.orders] == ["ann", "bob", "eve", "joe"]
    assert (found.report.cents, found.report.lines) == (1000, 8)


@pytest.mark.parametrize(
    "rows",
    [
        # The rest of the file would be a text.
        ['ann,2025-01-01,1,"x', "bob,2025-01-02,2,y"],
        # The next row ends it: two rows would be one.
        ['ann,2025-01-01,1,"x', 'bob,2025-01-02,2,y"'],
        ['ann,2025-01-01,1,"x', "bob,2025-01-02,2,y", 'eve,2025-01-03,4,"z"'],
        ['ann,2025-01-01,1,"x', 'bob,2025-01-02,2,"y"', "eve,2025-01-03,4,z"],
        ['ann,2025-01-01,1,"x', 'bob,2025-01-02,2,""', 'eve,2025-01-03,4,z"'],
        ['"ann,2025-01-01,1,x', 'bob",2025-01-02,2,y'],
        ['"ann,2025-01-01,1,x', "bob,2025-01-02,2,y", 'eve",2025-01-03,4,z'],
        ['ann,2025-01-01,1,"a, b""', 'bob,2025-01-02,2,a, b"'],
        ['ann,2025-01-01,1,"two', "lines", 'bob,2025-01-02,2,"",more, c"'],
        # Inches, and a quote that is not doubled.
        ['ann,2025-01-01,1,5" screen', 'bob,2025-01-02,2,7" screen'],
        ['ann,2025-01-01,1,a "b" c', "bob,2025-01-02,2,y"],
        ['ann,2025-01-01,1,"a "b" c"', "bob,2025-01-02,2,y"],
        ['ann,2025-01-01,1,"a \\" c"', "bob,2025-01-02,2,y"],
    ],
)
def test_no_quote_swallows_an_order(tmp_path: Path, rows: list[str]) -> None:
    """Whatever a quote does, each order is sent or its line is named."""
    text = "\n".join([NOTES, *rows, "last,2025-01-05,8,fine", ""])
    with pytest.raises(CsvError, match=r"line 2: .*quote"):
        read(tmp_path, text)
    found = read(tmp_path, text, skip_bad=True)
    assert len(found.orders) + found.report.refused.total() == len(rows) + 1
    assert found.orders[-1]["user_id"] == "last"


def test_five_hundred_orders_with_one_quote_left_open(tmp_path: Path) -> None:
    rows = [f"user{n},2025-01-01T{n % 24:02}:00:00Z,{n}.25,note" for n in range(1, 501)]
    rows[9] = rows[9].replace("note", '"note')
    text = "\n".join([NOTES, *rows, ""])
    with pytest.raises(CsvError, match=r"1 of 500 rows.*\n  line 11: a quote is opened here"):
        read(tmp_path, text)
    assert read(tmp_path, text, skip_bad=True).report.orders == 499


def test_a_note_that_looks_a_little_like_a_row_is_a_note(tmp_path: Path) -> None:
    text = f'{NOTES}\nann,2025-01-01,1,"Hello,\nplease, ring, at, noon\n2025-01-01, thanks"\n'
    assert read(tmp_path, text).report.orders == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = f'{NOTES},"a;b,c|d"\nann,2025-01-01,1,"x;y,z|w",\n'.replace(",", delimiter)
    found = read(tmp_path, text)
    assert found.report.total == 1
    assert "(found)" in found.report.read_as


def test_the_line_sep_is_obeyed(tmp_path: Path) -> None:
    text = f"sep=;\n{HEADER}\nann,2025-01-01,1\n".replace(",", ";")
    found = read(tmp_path, text)
    assert (found.report.cents, found.report.rows) == (100, 1)
    assert "semicolon" in found.report.read_as
    with pytest.raises(CsvError, match=r"line 4: "):
        read(tmp_path, f"{text}bob;2025-01-01;-1\n")


def test_a_delimiter_that_is_named_wins(tmp_path: Path) -> None:
    text = f"{HEADER}\nann,2025-01-01,1\n".replace(",", "~")
    assert read(tmp_path, text, CsvFormat({}, "~")).report.total == 1
    with pytest.raises(CsvError, match="check --delimiter"):
        read(tmp_path, text)


def test_whitespace_is_any_run_of_spaces(tmp_path: Path) -> None:
    text = f"{HEADER}\n ann   2025-01-01\t1 \n".replace(",", " ")
    assert read(tmp_path, text, CsvFormat({}, "whitespace")).report.total == 1
