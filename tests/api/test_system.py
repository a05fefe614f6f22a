"""Health, metrics, entity tags, CORS and the OpenAPI file."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from tests.api.serving import answered, api_over
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database

SALES = "/api/v1/sales/metrics"


async def test_health_is_as_in_the_guide(database: Database) -> None:
    now = datetime(2025, 12, 7, 4, 32, 0, 999_999, tzinfo=UTC)
    async with api_over(database, now) as client:
        got = await answered(client, "/health")
    assert got == {"status": "healthy", "timestamp": "2025-12-07T04:32:00Z"}


async def test_ready_names_each_store(database: Database) -> None:
    async with api_over(database) as client:
        got = await answered(client, "/ready")
    assert got == {
        "status": "ready",
        "dependencies": [{"name": "postgresql", "status": "up"}, {"name": "mongodb", "status": "up"}],
    }


async def test_the_same_answer_again_costs_no_bytes(database: Database) -> None:
    async with api_over(database) as client:
        first = await client.get(SALES)
        again = await client.get(SALES, headers={"If-None-Match": first.headers["ETag"]})
        await store(database, [order(0)])
        changed = await client.get(SALES, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, changed.status_code) == (200, 304, 200)
    assert again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"] != changed.headers["ETag"]


async def test_requests_are_counted_by_route_not_by_address(database: Database) -> None:
    async with api_over(database) as client:
        for path in (SALES, SALES, "/api/v1/transactions/a/b", "/api/v1/rules/a/performance", "/secret/path"):
            await client.get(path)
        text = (await client.get("/metrics")).text
    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "globalmart_api_requests_total"
    }
    assert counted == {
        (SALES, "200"): 2,
        ("/api/v1/transactions/{transaction_id}", "404"): 1,
        ("/api/v1/rules/{rule_id}/performance", "404"): 1,
        ("unmatched", "404"): 1,
    }


async def test_pages_of_other_origins_only_by_setting(database: Database) -> None:
    headers = {"Origin": "https://shop.example"}
    async with api_over(database) as client:
        assert "access-control-allow-origin" not in (await client.get(SALES, headers=headers)).headers
    async with api_over(database, cors_origins="https://shop.example") as client:
        admitted = await client.get(SALES, headers=headers)
        asked = {"Access-Control-Request-Method": "GET", **headers}
        asked["Access-Control-Request-Headers"] = "X-API-Key"
        preflight = await client.options(SALES, headers=asked)
    assert admitted.headers["access-control-allow-origin"] == "https://shop.example"
    assert preflight.status_code == 200


async def test_every_operation_documents_its_answers(database: Database) -> None:
    async with api_over(database, key_hashes="0" * 64) as client:
        schema = (await client.get("/openapi.json")).json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            if path.startswith("/api/v1"):
                assert {"401", "422", "429", "503"} <= operation["responses"].keys()
                assert operation["responses"].keys() & {"200", "201"}
                assert method == "get" or {"403", "413", "415"} <= operation["responses"].keys()
    models = schema["components"]["schemas"]
    for name in (
        "SalesMetrics",
        "Anomaly",
        "Transaction",
        "LiveRevenue",
        "LiveMinutes",
        "Dimensions",
        "Rules",
        "OneRule",
        "RulePerformance",
        "Entries",
        "Cases",
        "OneCase",
    ):
        assert models[name]["examples"], name
    assert models["SalesMetrics"]["properties"]["total_revenue"]["type"] == "number"
