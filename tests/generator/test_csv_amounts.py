"""Numbers as people and shops write them."""

from decimal import Decimal
from pathlib import Path

import pytest

from app.generator.csv_amounts import NumberReader
from app.generator.csv_format import CsvError, CsvFormat, RowError
from tests.generator.files import HEADER, read


@pytest.mark.parametrize(
    ("decimal", "text", "amount", "currency"),
    [
        (None, "12", "12", ""),
        (None, "12.5", "12.5", ""),
        (None, "+12.50", "12.50", ""),
        (None, ".5", "0.5", ""),
        (None, "5.", "5", ""),
        (None, "29.0000", "29", ""),
        (None, "19.989999999999998", "19.989999999999998", ""),
        (None, "1 234.50", "1234.5", ""),
        (None, "1'234.50", "1234.5", ""),
        (None, "$12.00", "12", "$"),
        (None, "US$ 12.00", "12", "US$"),
        (None, "12.00 EUR", "12", "EUR"),
        (None, "£12.00", "12", "£"),
        (None, "-12.00", "-12", ""),
        (None, "−12.00", "-12", ""),
        (None, "12.00-", "-12", ""),
        (None, "(12.00)", "-12", ""),
        (None, "-$12.00", "-12", "$"),
        (None, "$-12.00", "-12", "$"),
        (None, "0E-10", "0", ""),
        (".", "1,234.50", "1234.5", ""),
        (".", "$1,234,567", "1234567", "$"),
        (".", "1,23,456.00", "123456", ""),
        (",", "1.234,50", "1234.5", ""),
        (",", "1.234", "1234", ""),
        (",", "12", "12", ""),
        (",", "€ 12,00", "12", "€"),
        (",", "12,00\u00a0€", "12", "€"),
        (",", "1\u202f234,50 zł", "1234.5", "zł"),
        (",", "-1.234,50", "-1234.5", ""),
    ],
)
def test_numbers(decimal: str | None, text: str, amount: str, currency: str) -> None:
    money = NumberReader(decimal).read(text)
    assert (money.amount, money.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    ("decimal", "text", "hint"),
    [
        (None, "1.234,50", "--decimal ,"),
        (None, "12,50", "--decimal ,"),
        (None, "€ 12,00", "--decimal ,"),
        (None, "1,234.50", "--decimal ."),
        (None, "1,234", "two ways: .* --decimal , .* --decimal ."),
        (None, "1.234.567", "no number"),
        (None, "five", "no number"),
        (None, "", "no number"),
        (None, ".", "no number"),
        (None, "1 2 3", "no number"),
        (None, "12 apples", "no number"),
        (None, "--5", "two signs"),
        (None, "#REF!", "no number"),
        (None, "inf", "no number"),
        (None, "١٢", "no number"),
        (None, "1.5E+03", "scientific"),
        (None, "9" * 70, "no number"),
        (".", "12,50", "seems to be the comma"),
        (",", "12.50", "seems to be the point"),
        (",", "1.23.456", "does not fit"),
    ],
)
def test_what_is_no_number_says_what_to_do(decimal: str | None, text: str, hint: str) -> None:
    with pytest.raises(RowError, match=hint):
        NumberReader(decimal).read(text)


def test_a_point_before_three_digits_decides_nothing_alone(tmp_path: Path) -> None:
    """1.234 is 1234 in one half of the shop and 1.234 in the other."""
    text = f"{HEADER}\nann,2025-01-01,7\nbob,2025-01-02,1.234\n"
    with pytest.raises(CsvError, match=r"line 3: 1\.234 can be read as 1234 or as 1\.234"):
        read(tmp_path, text, skip_bad=True)
    assert read(tmp_path, text, CsvFormat({}, decimal=",")).report.total == 1241
    assert read(tmp_path, text, CsvFormat({}, decimal=".")).report.exact == Decimal("8.234")
    settled = read(tmp_path, f"{text}eve,2025-01-03,1.50\n")
    assert settled.report.exact == Decimal("9.734")


def test_the_currency_of_a_cell_is_summed_up_by_itself(tmp_path: Path) -> None:
    report = read(tmp_path, f"{HEADER}\nann,2025-01-01,$5.00\nbob,2025-01-02,7.00 EUR\n").report
    assert report.currencies == {"$": 5, "EUR": 7}
