"""The comparison of a real warehouse with its rows: equal as published, and a single wrong cent shows."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from bson.decimal128 import Decimal128

from app.errors import RecountError
from app.reconcile.warehouse.stored_totals import CUSTOMERS
from app.reconcile.warehouse.warehouse_check import check_warehouse
from app.settings import Settings
from compose.embedded.stack import EmbeddedStack
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 1)


def _settings(nights: Nights, stack: EmbeddedStack) -> Settings:
    """The night's stores, and the role that comparisons read with."""
    return Settings({**stack.environment(), **nights.variables})


async def test_a_wrong_cent_and_a_wrong_segment_are_found(nights: Nights, stack: EmbeddedStack) -> None:
    settings = _settings(nights, stack)
    with pytest.raises(RecountError, match="no run is published"):
        await check_warehouse(settings)
    await nights.insert_shop(make_shop(seed=31, visits=250))
    nights.run(_AS_OF)
    report = await check_warehouse(settings)
    assert (report.as_of, report.differences, report.stored_since) == (_AS_OF, [], 0)
    assert sum(report.found[CUSTOMERS].values()) == len(nights.documents("customer_segments"))

    database, marts = nights.mongo[nights.settings.mongo.database], nights.pointer["marts"]
    sale = database[marts["fact_sales"]["collection"]].find_one()
    assert sale is not None
    cent = Decimal128(sale["total_amount"].to_decimal() + Decimal("0.01"))
    database[marts["fact_sales"]["collection"]].update_one({"_id": sale["_id"]}, {"$set": {"total_amount": cent}})
    segments = database[marts["customer_segments"]["collection"]]
    segments.update_one({"segment_name": "Champions"}, {"$set": {"segment_name": "Lost"}})
    report = await check_warehouse(settings)
    assert [text.split(", ")[0] for text in report.differences] == [
        "revenue by day",
        "revenue by country",
        "revenue by category",
        "customers by segment",
        "customers by segment",
    ]


async def test_orders_stored_after_the_run_began_are_counted(nights: Nights, stack: EmbeddedStack) -> None:
    settings = _settings(nights, stack)
    await nights.insert_shop(make_shop(seed=32, visits=50))
    nights.run(_AS_OF)
    nights.mongo[nights.settings.mongo.database]["batch_runs"].update_many(
        {}, {"$set": {"started": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    report = await check_warehouse(settings)
    assert report.stored_since == int(sum(report.expected["orders by day"].values())) > 0
