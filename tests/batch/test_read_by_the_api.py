"""What a real nightly run publishes is what the API answers from."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from api.application import create_app
from tests.api.serving import answered, client_of
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 2)
_V1 = "/api/v1"


def _total(lines: Iterable[Any], name: str) -> Decimal:
    return sum((Decimal(line[name]) for line in lines), Decimal(0))


async def test_the_api_answers_what_a_real_run_published(nights: Nights) -> None:
    await nights.insert_shop(make_shop(seed=4, visits=60))
    nights.run(_AS_OF)
    marts = nights.everything()
    customers, sessions = marts["customer_segments"], marts["fact_sessions"]
    everywhere = [row for row in marts["product_performance"] if row["country"] is None]
    daily = [row for row in marts["sales_trends"] if (row["period_type"], row["country"]) == ("daily", None)]
    async with client_of(create_app(nights.settings)) as client:
        segments = await answered(client, f"{_V1}/customers/segments")
        cells = (await answered(client, f"{_V1}/customers/rfm"))["cells"]
        moved = (await answered(client, f"{_V1}/customers/migrations"))["migrations"]
        one = await answered(client, f"{_V1}/customers/{customers[0]['user_id']}")
        by_product = await answered(client, f"{_V1}/products/performance", group_by="product")
        categories = (await answered(client, f"{_V1}/products/performance"))["products"]
        trends = (await answered(client, f"{_V1}/trends"))["trends"]
        funnel = await answered(client, f"{_V1}/funnel")
        runs = (await answered(client, f"{_V1}/operations"))["batch_runs"]
    assert segments["as_of"] == funnel["as_of"] == "2026-01-02"
    assert _total(segments["segments"], "total_value") == _total(customers, "monetary") > 0
    assert _total(cells, "customers") == _total(moved, "customers") == len(customers) > 20
    assert one["rfm_segment"] == customers[0]["rfm_segment"]
    assert _total(categories, "revenue") == _total(everywhere, "revenue") > 0
    assert _total(by_product["products"], "units") == _total(everywhere, "units")
    assert [each["revenue"] for each in trends] == [
        row["revenue"] for row in sorted(daily, key=lambda row: row["period_start"])
    ]
    assert (funnel["sessions"], funnel["revenue"]) == (len(sessions), _total(sessions, "revenue"))
    assert funnel["abandoned"] == sum(row["abandoned"] for row in sessions) > 0
    assert [(run["status"], run["counts"]["fact_sessions"]) for run in runs] == [("published", len(sessions))]
