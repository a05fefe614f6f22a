"""`product_performance`: products, and sums per category and country.

The sums and the top products of each country, which every page of the dashboard requests, are computed before a run is
served: a server without a suitable index sorts a country's products for each of these requests.
"""

from typing import Any, Final

from api.mongo_reader import Find
from api.responses import average
from api.run_reader import PublishedRun
from app.published_run import Document

MART: Final = "product_performance"

FIELDS: Final = (
    "product_id",
    "category",
    "revenue",
    "units",
    "transaction_count",
    "avg_transaction_value",
    "views",
    "cart_adds",
    "conversion",
)
_SUMS: Final = {
    "$group": {"_id": "$category", "revenue": {"$sum": "$revenue"}, "transaction_count": {"$sum": "$transaction_count"}}
}
_COUNTRIES: Final = [{"$group": {"_id": "$country"}}]
_ORDER: Final = (("revenue", -1), ("product_id", 1))
#: Products cached per run and country: a usual page. Longer pages are read.
_BEST: Final = 100


async def prepare(run: PublishedRun) -> None:
    """Computes the cached answers of every country and of all countries together."""
    for country in await run.sums(MART, _COUNTRIES, _names_of, ("countries",)):
        await sums(run, country)
        await _best(run, country)


async def sums(run: PublishedRun, country: str | None = None) -> list[Document]:
    """Returns the few sums per category, which is their `_id`, of one country or of all."""
    return await run.sums(MART, [{"$match": {"country": country}}, _SUMS], list[Document], country)


async def categories(run: PublishedRun, category: str | None, country: str | None, limit: int) -> list[dict[str, Any]]:
    """Returns categories by revenue, of one country or of all."""
    found = [each for each in await sums(run, country) if category in (None, each["_id"])]
    ranked = sorted(found, key=lambda each: (-each["revenue"], each["_id"]))
    return [
        {
            "category": each["_id"],
            "revenue": each["revenue"],
            "transaction_count": each["transaction_count"],
            "avg_transaction_value": average(each["revenue"], each["transaction_count"]),
        }
        for each in ranked[:limit]
    ]


async def products(run: PublishedRun, category: str | None, country: str | None, limit: int) -> list[Document]:
    """Returns products by revenue, of one country or of all."""
    if category is None and limit <= _BEST:
        return (await _best(run, country))[:limit]
    where = {"country": country} | ({} if category is None else {"category": category})
    return await run.find(MART, Find(where, FIELDS, _ORDER, limit))


async def _best(run: PublishedRun, country: str | None) -> list[Document]:
    return await run.listed(MART, Find({"country": country}, FIELDS, _ORDER, _BEST), country)


def _names_of(documents: list[Document]) -> list[str | None]:
    return [each["_id"] for each in documents]
