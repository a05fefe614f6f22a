"""What each page of the dashboard must show, written here once more from the stores' figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.reconcile.comparison import Account
from app.reconcile.serving.answer_shapes import EVERYWHERE, SHAPES

_NOTHING: Final = "–"
_PERIODS: Final = {"daily": ("Days", "day"), "weekly": ("Weeks", "week"), "monthly": ("Months", "month")}
_TYPES: Final = {
    "high_value": "High value",
    "unusual_quantity": "Unusual quantity",
    "rapid_transactions": "Rapid transactions",
}


@dataclass(frozen=True, slots=True)
class PageTexts:
    """A page at an address: the cards it must show by label, and the title of the rows in its file."""

    view: str
    query: Mapping[str, str]
    cards: Mapping[str, str]
    file: str | None = None

    @property
    def name(self) -> str:
        """How the page is told."""
        return " ".join((self.view, *self.query.values()))

    def expected(self, figures: Account) -> dict[str, Any]:
        """Cards and, where it can be downloaded, the file's figures by name."""
        told: dict[str, Any] = {f"{self.name}: {label}": text for label, text in self.cards.items()}
        if self.file is not None:
            titles = f"{self.file} "
            told |= {
                f"{self.name} file, {name}": written(value)
                for name, value in figures.items()
                if name.startswith(titles) and name.rpartition(": ")[2] in file_fields(self.file)
            }
        return told


def pages(figures: Account, customer: str, newest_anomalies: Mapping[str, int]) -> list[PageTexts]:
    """Every page over everything stored, all countries, after the traffic is over."""
    found = _Finder(figures)
    return [
        PageTexts("overview", {}, _overview(found)),
        PageTexts("customers", {"customer": customer}, _customers(found, customer), "segments"),
        PageTexts("products", {"by": "Categories", "rows": "1000"}, _shown(found, "categories"), "categories"),
        PageTexts("products", {"by": "Products", "rows": "1000"}, _shown(found, "products"), "products"),
        *(
            PageTexts("trends", {"trend": label}, _trend(found, kind, unit), f"trends {kind}")
            for kind, (label, unit) in _PERIODS.items()
        ),
        PageTexts("anomalies", {}, {_TYPES[kind]: str(count) for kind, count in newest_anomalies.items()}),
        PageTexts("operations", {}, {"Lag, records": "0", "Workers": "1"}, "topic"),
    ]


def file_fields(title: str) -> tuple[str, ...]:
    """Figures that the file of a table has; conflicting duplicates are not on the page."""
    return tuple(name for name in SHAPES[title][1] if name != "conflicting")


def written(value: Any) -> str:
    """A value of a file with as many decimals as it needs."""
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return format(Decimal(value).normalize(), "f")
    return "" if value is None else str(value)


class _Finder:
    """Figures by title, row and field."""

    def __init__(self, figures: Account) -> None:
        self._figures = figures

    def one(self, title: str, field: str) -> Any:
        return self._figures[f"{title}: {field}"]

    def rows(self, title: str) -> list[dict[str, Any]]:
        """The rows under a title in their order, with their name as `row`."""
        rows: dict[str, dict[str, Any]] = {}
        for name, value in self._figures.items():
            row, _, field_name = name.rpartition(": ")
            if row.startswith(f"{title} "):
                rows.setdefault(row, {"row": row.removeprefix(f"{title} ")})[field_name] = value
        return list(rows.values())

    def total(self, title: str, field: str) -> Any:
        return sum((row[field] for row in self.rows(title)), Decimal(0))


def _overview(found: _Finder) -> dict[str, str]:
    sales = f"sales {EVERYWHERE}"
    return {
        "Revenue": _money(found.one(sales, "total_revenue")),
        "Orders": _number(found.one(sales, "total_transactions")),
        "Average order": _money(found.one(sales, "avg_order_value")),
        "Live: last 60 s": "$0.00",
        "Conversion": _percent(found.one("funnel", "conversion_rate")),
        "Abandoned carts": _percent(found.one("funnel", "abandonment_rate")),
        "Revenue of sessions": _money(found.one("funnel", "revenue")),
    }


def _customers(found: _Finder, customer: str) -> dict[str, str]:
    value, one = found.total("segments", "total_value"), f"customer {customer}"
    best = [row["total_value"] for row in found.rows("segments") if row["row"] == "Champions"]
    days = found.one(one, "recency")
    ago = "the same day" if days == 0 else f"{days:,} day{'s' if days > 1 else ''} before"
    return {
        "Customers": _number(found.total("segments", "customer_count")),
        "Total value": _money(value),
        "Share of Champions": _percent(best[0] / value if best and value else None),
        "Segment": found.one(one, "segment_name"),
        "Value so far": _money(found.one(one, "monetary")),
        "Orders": _number(found.one(one, "frequency")),
        "Last bought": ago,
    }


def _shown(found: _Finder, title: str) -> dict[str, str]:
    return {
        "Revenue of those shown": _money(found.total(title, "revenue")),
        "Orders of those shown": _number(found.total(title, "transaction_count")),
    }


def _trend(found: _Finder, kind: str, unit: str) -> dict[str, str]:
    """Cards of the newest period that is over; none while there is none."""
    whole = [row for row in found.rows(f"trends {kind}") if not row["partial"]]
    if not whole:
        return {}
    newest = whole[-1]
    growth = newest["revenue_growth_rate"]
    return {
        f"Revenue of {newest['row']}": _money(newest["revenue"]),
        f"Orders of {newest['row']}": _number(newest["transactions"]),
        f"Growth against the {unit} before": _percent(growth, "+"),
    }


def _money(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _number(value: Decimal | int) -> str:
    return f"{value:,}"


def _percent(ratio: Decimal | None, sign: str = "") -> str:
    if ratio is None:
        return _NOTHING
    return f"{(ratio * 100).quantize(Decimal('0.1'), ROUND_HALF_UP):{sign},} %"
