"""`product_performance`: products, and sums per category and country."""

from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.amounts import average
from api.mongo import Find
from api.runs import Run
from app.warehouse import Document

MART: Final = "product_performance"

FIELDS: Final = (
    "product_id", "category", "revenue", "units", "transaction_count", "avg_transaction_value",
    "views", "cart_adds", "conversion",
)  # fmt: skip
_SUMS: Final = {
    "$group": {
        "_id": "$category",
        "revenue": {"$sum": "$revenue"},
        "transaction_count": {"$sum": "$transaction_count"},
    }
}


class Category(NamedTuple):
    """Sums of the products of one category."""

    category: str
    revenue: Decimal
    transaction_count: int


async def sums(run: Run, country: str | None = None) -> list[Category]:
    """Sums per category, of one country or of all of them together; few."""
    return await run.sums(MART, [{"$match": {"country": country}}, _SUMS], _categories_of, country)


async def categories(
    run: Run, category: str | None, country: str | None, limit: int
) -> list[dict[str, Any]]:
    """Categories by revenue, of one country or of all of them together."""
    found = [each for each in await sums(run, country) if category in (None, each.category)]
    ranked = sorted(found, key=lambda each: (-each.revenue, each.category))
    return [
        {
            "category": each.category, "revenue": each.revenue,
            "transaction_count": each.transaction_count,
            "avg_transaction_value": average(each.revenue, each.transaction_count),
        }
        for each in ranked[:limit]
    ]  # fmt: skip


async def products(
    run: Run, category: str | None, country: str | None, limit: int
) -> list[Document]:
    """Products by revenue, of one country or of all of them together."""
    where = {"country": country} | ({} if category is None else {"category": category})
    return await run.find(MART, Find(where, FIELDS, (("revenue", -1), ("product_id", 1)), limit))


def _categories_of(documents: list[Document]) -> list[Category]:
    return [Category(each["_id"], each["revenue"], each["transaction_count"]) for each in documents]
