"""HEAD is answered wherever GET is: the same status and headers, no body, over a real server."""

import asyncio
import http.client
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.application import create_app
from tests.api.serving import api_over, served
from tests.api.shop import Shop

_V1: Final = "/api/v1"
_PATHS: Final = (
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/redoc",
    "/docs-files/swagger-ui.css",
    f"{_V1}/sales/metrics",
    f"{_V1}/sales/breakdown",
    f"{_V1}/anomalies?limit=2",
    f"{_V1}/dimensions",
    f"{_V1}/customers/u7",
    f"{_V1}/customers/segments",
    f"{_V1}/products/performance",
    f"{_V1}/trends?limit=2",
    f"{_V1}/funnel",
    f"{_V1}/live/revenue",
    f"{_V1}/live/minutes?country=UK",
    f"{_V1}/operations",
    f"{_V1}/transactions/t000000",
    f"{_V1}/anomalies/stream/ticket",
    f"{_V1}/anomalies/stream",
    f"{_V1}/anomalies/stream?last_event_id=0",
    "/nowhere",
    f"{_V1}/transactions/nothing",
    f"{_V1}/sales/metrics?start_date=1762041600",
)
#: What differs from one answer to the next, or tells how a body comes.
_MOVING: Final = frozenset({"date", "transfer-encoding"})
#: Their bodies are of the moment.
_FLEETING: Final = ("/metrics", f"{_V1}/operations", f"{_V1}/live/")


def _asked(address: str, method: str, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and what follows them on the connection, which must serve a second request then."""
    with ExitStack() as closed:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        closed.callback(connection.close)
        connection.request(method, path, headers=headers)
        response = closed.enter_context(closing(connection.getresponse()))
        names = {name.lower(): value for name, value in response.getheaders()}
        if names.get("content-type", "").startswith("text/event-stream") and method == "GET":
            return response.status, names, b""
        body = response.read()
        connection.request("GET", "/health")
        again = connection.getresponse()
        assert (again.status, b"healthy" in again.read()) == (200, True), (method, path)
        return response.status, names, body


async def test_head_is_get_without_a_body(shop: Shop, night: object) -> None:
    async with served(create_app(shop.database.settings)) as address:

        async def asked(method: str, path: str, **headers: str) -> Any:
            return await asyncio.to_thread(_asked, address, method, path, **headers)

        for path in _PATHS:
            status, headers, _ = await asked("GET", path)
            head_status, head_headers, body = await asked("HEAD", path)
            assert (head_status, body) == (status, b""), path
            moving = _MOVING | ({"content-length"} if path.startswith(_FLEETING) else set())
            assert _without(head_headers, moving) == _without(headers, moving), path
        _, headers, _ = await asked("GET", f"{_V1}/sales/metrics")
        same = {"If-None-Match": headers["etag"]}
        assert (await asked("HEAD", f"{_V1}/sales/metrics", **same))[0] == 304


async def test_a_stream_asked_for_by_head_does_not_stay_open(shop: Shop) -> None:
    settings = shop.database.settings
    async with served(create_app(settings)) as address:
        for _ in range(3):
            await asyncio.to_thread(_asked, address, "HEAD", f"{_V1}/anomalies/stream")
        _, _, text = await asyncio.to_thread(_asked, address, "GET", "/metrics")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    assert samples["globalmart_api_event_streams",] == 0
    assert samples["globalmart_api_requests_total", "HEAD", f"{_V1}/anomalies/stream", "200"] == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_answered_with_what_there_is(shop: Shop, method: str) -> None:
    async with api_over(shop.database) as client:
        refused = await client.request(method, f"{_V1}/dimensions")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_several_lines_of_if_none_match_are_one_list(shop: Shop) -> None:
    path = f"{_V1}/dimensions"
    async with api_over(shop.database) as client:
        tag = (await client.get(path)).headers["etag"]
        lines = [[tag, '"other"'], ['"other"', tag], ['"a", "b"', f'"c", W/{tag}'], ['"a"', "*"]]
        for held in lines:
            answer = await client.get(path, headers=[("If-None-Match", line) for line in held])
            assert (answer.status_code, answer.content) == (304, b""), held
        neither = [("If-None-Match", '"a"'), ("If-None-Match", '"b"')]
        assert (await client.get(path, headers=neither)).status_code == 200


def _without(headers: Mapping[str, str], names: frozenset[str] | set[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
