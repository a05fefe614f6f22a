"""POST /rules/test: the command's answer, problems that name the field, limits, and one test at a time."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.problems import ProblemError
from api.rule_tester import RuleTester
from tests.api.desk import clerks, problem
from tests.api.serving import api_over, exact
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS

PATH = "/api/v1/rules/test"
RULE = {"id": "large", "name": "Large", "kind": "amount", "above": "100.00"}
RANGE = {"from": "2026-03-01", "to": "2026-03-02T00:00:00Z"}


async def asked(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post(PATH, json={"rule": RULE, **RANGE} | body, timeout=PATIENCE_SECONDS)


async def test_a_draft_is_judged_on_stored_orders(database: Database) -> None:
    await store(database, [order(0, amount_cents=10_001), order(1)], [order(2, amount_cents=20_000, country=None)])
    async with api_over(database) as client:
        response = await asked(client)
        assert response.status_code == 200, response.text
        got = exact(response)
        (answer,) = got["answers"]
        assert (answer["orders_in_range"], answer["orders"], answer["money"]) == (3, 2, "300.01")
        assert [each["country"] for each in answer["by_country"]] == ["UK", "unknown"]
        assert [each["transaction_id"] for each in answer["examples"]] == ["t000000", "t000002"]
        known = exact(await asked(client, rule="high_value"))
        assert known["answers"][0]["orders"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rule": RULE | {"above": "much"}}, "above"),
        ({"rule": RULE | {"above": "0.00"}}, "above"),
        ({"rule": RULE | {"kind": "magic"}}, "kind"),
        ({"rule": {"id": "x", "name": "X", "kind": "list", "field": "card", "list": "nowhere"}}, "list"),
        ({"rule": "../secret"}, None),
        ({"from": "yesterday"}, "from"),
        ({"from": 0}, "from"),
        ({"to": "2026-02-01"}, "to"),
        ({"limit": 5}, "limit"),
    ],
)
async def test_what_is_not_valid_names_the_field(database: Database, body: dict[str, Any], field: str | None) -> None:
    async with api_over(database) as client:
        response = await asked(client, **body)
    assert response.status_code == 422, response.text
    if field is not None:
        assert field in [error["field"] for error in response.json()["errors"]]


async def test_a_rule_that_nobody_set_is_unknown(database: Database) -> None:
    async with api_over(database) as client:
        response = await asked(client, rule="nobody")
    assert response.status_code == 422
    assert response.json()["detail"] == "there is no rule nobody"


async def test_who_only_reads_may_not_ask_for_a_test(database: Database) -> None:
    """A test keeps every core busy for minutes, and one at a time runs."""
    body = {"rule": RULE, **RANGE}
    async with clerks(database) as (reader, ann, _):
        reply = problem(await reader.ask("POST", "/rules/test", body), 403)
        assert reply["detail"].endswith("this needs the role analyst")
        assert (await ann.ask("POST", "/rules/test", body)).status_code == 200
        reply = problem(await ann.ask("POST", "/rules/test", body, limit=1), 422)
        assert [error["field"] for error in reply["errors"]] == ["limit"]


async def test_a_page_of_another_origin_cannot_ask(database: Database) -> None:
    async with api_over(database) as client:
        response = await client.post(PATH, content=json.dumps({"rule": RULE, **RANGE}))
    assert response.status_code == 415, response.text


async def test_one_test_at_a_time(database: Database) -> None:
    async with api_over(database) as client:
        answers = await asyncio.gather(asked(client), asked(client))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_a_bug_of_the_command_is_for_the_log_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process cannot even start: its interpreter has no home."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(ProblemError, match=r"^the test ended without an answer; see the server's log$"):
        await RuleTester(database.settings).test(RULE, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert "/nowhere" in caplog.text


async def test_limits_of_orders_and_of_time(database: Database) -> None:
    await store(database, [order(0), order(1)])
    few = RuleTester(database.settings, max_orders=1)
    with pytest.raises(ProblemError, match=r"^from: 2 orders would have to be read"):
        await few.test(RULE, NOON - timedelta(days=1), NOON + timedelta(days=1))
    brief = RuleTester(database.settings, limit_seconds=0.01)
    with pytest.raises(ProblemError, match=r"took longer than 0.01 s"):
        await brief.test(RULE, NOON - timedelta(days=1), NOON + timedelta(days=1))
    again = RuleTester(database.settings)
    found = await again.test(RULE, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert found["answers"][0]["orders_in_range"] == 2
