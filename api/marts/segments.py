"""`customer_segments`: customers, and sums per country and pair of scores, which all its figures are made of.

`segment_migrations`: numbers of customers by former and present segment.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.mongo_reader import Find
from api.responses import average, ratio
from api.run_reader import PublishedRun
from app.published_run import Document

MART: Final = "customer_segments"
MIGRATIONS: Final = "segment_migrations"

_ALL_MIGRATIONS: Final = Find({}, ("from", "to", "customers", "revenue"), (("from", 1), ("to", 1)))

_CELLS: Final = [
    {
        "$group": {
            "_id": {
                "country": "$country",
                "recency_score": "$r_score",
                "frequency_score": "$f_score",
                "segment_name": "$segment_name",
            },
            "customers": {"$sum": 1},
            "orders": {"$sum": "$frequency"},
            "revenue": {"$sum": "$monetary"},
        }
    }
]


#: By the measures in which every customer has the same score.
_NOTES: Final[Mapping[tuple[str, ...], str | None]] = {
    (): None,
    ("recency",): "Every customer has the same score for recency, so the segments differ by frequency alone.",
    ("frequency",): "Every customer has the same score for frequency, so the segments differ by recency alone.",
    ("recency", "frequency"): "Every customer has the same scores for recency and frequency: scores compare customers, "
    "and here there is nothing to tell them apart. The name of their segment says nothing about them.",
}


class Cell(NamedTuple):
    """Customers of one country with the same scores for recency and frequency."""

    country: str
    recency_score: int
    frequency_score: int
    segment_name: str
    customers: int
    orders: int
    revenue: Decimal


class Sum(NamedTuple):
    """Customers, their orders and their exact revenue."""

    customers: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)

    def plus(self, cell: Cell) -> "Sum":
        """With one more cell."""
        return Sum(self.customers + cell.customers, self.orders + cell.orders, self.revenue + cell.revenue)


async def cells(run: PublishedRun) -> list[Cell]:
    """Every cell of the mart; at most 25 per country."""
    return await run.sums(MART, _CELLS, _cells_of)


async def customer(run: PublishedRun, user_id: str) -> Document | None:
    """The document of one customer."""
    return await run.one(MART, user_id)


async def segments(run: PublishedRun, country: str | None) -> list[dict[str, Any]]:
    """Segments with customers, of one country or of all, those of the greatest value first."""
    sums: dict[str, Sum] = {}
    for cell in _of(country, await cells(run)):
        sums[cell.segment_name] = sums.get(cell.segment_name, Sum()).plus(cell)
    ranked = sorted(sums.items(), key=lambda each: (-each[1].revenue, each[0]))
    return [_segment(name, figures) for name, figures in ranked]


async def matrix(run: PublishedRun, country: str | None) -> list[dict[str, Any]]:
    """Cells of the matrix of recency and frequency that have customers, in the scores' order."""
    sums: dict[tuple[int, int, str], Sum] = {}
    for cell in _of(country, await cells(run)):
        key = (cell.recency_score, cell.frequency_score, cell.segment_name)
        sums[key] = sums.get(key, Sum()).plus(cell)
    return [
        {
            "recency_score": recency,
            "frequency_score": frequency,
            "segment_name": name,
            "customers": figures.customers,
            "revenue": figures.revenue,
        }
        for (recency, frequency, name), figures in sorted(sums.items())
    ]


async def migrations(run: PublishedRun) -> list[Document]:
    """Every pair of a former and a present segment with customers, also equal ones; revenue is their total value."""
    return await run.find(MIGRATIONS, _ALL_MIGRATIONS)


async def note(run: PublishedRun) -> str | None:
    """What to know before the segments are believed: scores compare customers, and all may be alike."""
    found = await cells(run)
    alike = [
        measure
        for measure, scores in (
            ("recency", {cell.recency_score for cell in found}),
            ("frequency", {cell.frequency_score for cell in found}),
        )
        if len(scores) == 1
    ]
    return _NOTES[tuple(alike)]


def _segment(name: str, figures: Sum) -> dict[str, Any]:
    return {
        "segment_name": name,
        "customer_count": figures.customers,
        "avg_monetary": average(figures.revenue, figures.customers),
        "avg_frequency": ratio(figures.orders, figures.customers, 2),
        "total_value": figures.revenue,
    }


def _cells_of(documents: list[Document]) -> list[Cell]:
    return [
        Cell(**each["_id"], **{name: each[name] for name in ("customers", "orders", "revenue")}) for each in documents
    ]


def _of(country: str | None, among: Iterable[Cell]) -> Iterable[Cell]:
    return (cell for cell in among if country in (None, cell.country))
