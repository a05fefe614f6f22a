"""CDNOW as its publishers give it: the orders, and a summary of a sample they computed themselves."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from tests.batch.expected import half_up
from tests.batch.generated import Row, Shop

LAST_DAY: Final = date(1998, 6, 30)
#: Up to here the summary was computed; afterwards is what a forecast would be judged by.
SUMMARY_END: Final = date(1997, 9, 30)


def file_of(package: str, path: str) -> Path:
    """A data file of an installed package, which is not imported."""
    return Path(str(distribution(package).locate_file(path)))


def _lines(name: str) -> list[list[str]]:
    text = file_of("lifetimes", f"lifetimes/datasets/{name}").read_text()
    return [line.split() for line in text.splitlines() if line.split()]


def orders() -> list[Row]:
    """Every row of the file as a row of `transactions`; ids are the rows' numbers."""
    return [
        {
            "transaction_id": f"row-{number}",
            "user_id": customer,
            "timestamp": datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC),
            "total_amount": Decimal(dollars),
            "quantity": int(discs),
            "category": None,
            "country": None,
            "payment_method": None,
            "product_id": None,
            "session_id": None,
            "source_offset": number,
        }
        for number, (customer, day, discs, dollars) in enumerate(_lines("CDNOW_master.txt")[1:])
    ]


def shop() -> Shop:
    """The orders alone: CDNOW has neither views nor carts."""
    return Shop(orders(), [], [])


@dataclass(frozen=True, slots=True)
class Summary:
    """Repeat purchases `x`, weeks from the first to the last `t_x`, weeks observed `T`, their mean `zbar`."""

    x: int
    t_x: Decimal
    T: Decimal
    zbar: Decimal


def published_summary() -> dict[str, Summary]:
    """By customer of the whole file: the sample has its own numbers for its 2,357 customers."""
    customers = {sample: customer for customer, sample, *_ in _lines("CDNOW_sample.txt")}
    path = file_of("lifetimes", "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv")
    with path.open(newline="") as file:
        return {
            customers[f"{int(row['ID']):04}"]: Summary(
                int(row["x"]), Decimal(row["t_x"]), Decimal(row["T"]), Decimal(row["zbar"])
            )
            for row in csv.DictReader(file)
        }


def summaries(purchases: Iterable[tuple[str, date, Decimal]]) -> dict[str, Summary]:
    """The same from (customer, day, amount), a day's purchases of a customer being one."""
    days: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for customer, day, amount in purchases:
        if day <= SUMMARY_END:
            days[customer][day] += amount
    return {customer: _summary(own) for customer, own in days.items()}


def _summary(amounts: dict[date, Decimal]) -> Summary:
    first, *repeats = sorted(amounts)
    last = repeats[-1] if repeats else first
    spent = sum((amounts[day] for day in repeats), Decimal(0))
    return Summary(
        len(repeats),
        half_up(Fraction((last - first).days, 7), 2),
        half_up(Fraction((SUMMARY_END - first).days, 7), 2),
        half_up(Fraction(spent) / len(repeats), 2) if repeats else Decimal(0),
    )
