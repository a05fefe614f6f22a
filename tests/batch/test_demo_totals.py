"""The demo's two accounts of a real warehouse: equal as published, and a single wrong cent shows."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from bson.decimal128 import Decimal128

from app.errors import EmbeddedStackError
from app.reconcile.warehouse.published_totals import published_totals
from app.reconcile.warehouse.stored_totals import CUSTOMERS, stored_totals
from app.reconcile.warehouse.verdict import WarehouseReport
from compose.embedded.postgres import OWNER
from compose.embedded.stack import EmbeddedStack
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 1)


async def test_a_wrong_cent_and_a_wrong_segment_are_found(nights: Nights, stack: EmbeddedStack) -> None:
    await nights.insert_shop(make_shop(seed=31, visits=250))
    nights.run(_AS_OF)
    stored = await stored_totals(stack.postgres.dsn(OWNER, nights.database.name), _AS_OF)
    mongo = nights.settings.mongo
    shown = published_totals(mongo, _AS_OF)
    assert WarehouseReport(_AS_OF, 1.0, stored, shown).differences == []
    assert sum(shown[CUSTOMERS].values()) == len(nights.documents("customer_segments"))

    database, marts = nights.mongo[mongo.database], nights.pointer["marts"]
    sale = database[marts["fact_sales"]["collection"]].find_one()
    assert sale is not None
    cent = Decimal128(sale["total_amount"].to_decimal() + Decimal("0.01"))
    database[marts["fact_sales"]["collection"]].update_one({"_id": sale["_id"]}, {"$set": {"total_amount": cent}})
    segments = database[marts["customer_segments"]["collection"]]
    segments.update_one({"segment_name": "Champions"}, {"$set": {"segment_name": "Lost"}})
    report = WarehouseReport(_AS_OF, 1.0, stored, published_totals(mongo, _AS_OF))
    assert [text.split(", ")[0] for text in report.differences] == [
        "revenue by day",
        "revenue by country",
        "revenue by category",
        "customers by segment",
        "customers by segment",
    ]
    with pytest.raises(EmbeddedStackError, match="does not show"):
        published_totals(mongo, _AS_OF + timedelta(days=1))
