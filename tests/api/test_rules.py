"""Rules over HTTP: who may, what is refused, versions, and that the next chunk is judged by them."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from api.application import create_app
from api.keys import hash_of
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from tests.api.desk import KEYS, V1, clerks, problem
from tests.api.serving import api_over, client_of, exact, served
from tests.api.shop import JUDGED_AT, store
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database

CHEAP: dict[str, Any] = {"id": "cheap", "name": "Cheap", "kind": "amount", "above": "10.00", "state": "active"}


async def test_the_newest_edition_and_what_was_raised(database: Database) -> None:
    await store(database, [order(0, amount_cents=900_000), order(1, amount_cents=900_000, quantity=12)])
    async with clerks(database, NOON + timedelta(hours=1)) as (reader, _, bo):
        await bo.ask("POST", "/rules", {**CHEAP, "state": "shadow", "reason": "try it"})
        late = NOON - timedelta(days=2)
        await store(database, [order(2, timestamp=late), order(3)], start=2)
        got = await reader.get("/rules")
    assert (got["edition"], got["review_from"], got["block_from"]) == (2, 30, 80)
    counts = ("raised_24h", "raised_total", "shadow_24h", "shadow_total")
    assert {rule["id"]: tuple(rule[name] for name in counts) for rule in got["rules"]} == {
        "high_value": (2, 2, 0, 0),
        "unusual_quantity": (1, 1, 0, 0),
        "rapid_transactions": (0, 0, 0, 0),
        "cheap": (0, 0, 1, 2),
    }
    cheap = got["rules"][-1]
    assert (cheap["author"], cheap["reason"], cheap["version"], cheap["state"]) == ("bo", "try it", 1, "shadow")
    assert cheap["definition"]["above"] == "10.00"
    assert got["rules"][0]["author"] == "globalmart migrate"


async def test_a_rule_over_http_judges_the_next_chunk(database: Database) -> None:
    """A worker that is running: nobody tells it."""
    async with database.worker(STORED_TOPICS["transactions"]) as connection, clerks(database) as (_, _, bo):
        sink = Sink(connection, detector=AnomalyDetector(lambda: JUDGED_AT))
        state = await sink.state(0)
        assert list((await sink.commit(work_of([order(0)]), state)).anomalies) == []
        made = await bo.ask("POST", "/rules", CHEAP)
        assert made.status_code == 201
        assert list((await sink.commit(work_of([order(1)]), state)).anomalies) == ["cheap"]
        changed = await bo.ask("PATCH", "/rules/cheap", {"state": "paused"}, if_match=made.headers["ETag"])
        assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
        assert list((await sink.commit(work_of([order(2)]), state)).anomalies) == []


async def test_a_rule_that_would_raise_most_orders_is_warned_of(database: Database) -> None:
    await store(database, [order(n, amount_cents=2_000) for n in range(9)], [order(9, amount_cents=500)])
    async with clerks(database) as (reader, _, bo):
        made = exact(await bo.ask("POST", "/rules", CHEAP))
        assert made["warning"].startswith("it would raise 90.0 % of 10 orders of the 24 hours to ")
        assert "warning" not in await reader.get("/rules/cheap")
        for change, warned in (({"above": "30.00"}, False), ({"above": "1.00"}, True), ({"state": "paused"}, False)):
            changed = exact(await bo.ask("PATCH", "/rules/cheap", change, if_match="*"))
            assert (changed["warning"] is not None) is warned, change


async def test_a_change_needs_the_version_that_was_read(database: Database) -> None:
    async with clerks(database) as (reader, _, bo):
        read = await reader.ask("GET", "/rules/high_value")
        assert read.headers["ETag"] == '"1"'
        assert "If-Match" in problem(await bo.ask("PATCH", "/rules/high_value", {"weight": 50}), 428)["detail"]
        problem(await bo.ask("PATCH", "/rules/high_value", {"weight": 50}, if_match="one"), 422)
        first = await bo.ask("PATCH", "/rules/high_value", {"weight": 50, "reason": "more"}, if_match='"1"')
        assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
        second = await bo.ask("PATCH", "/rules/high_value", {"weight": 60}, if_match='"1"')
        reply = problem(second, 412)
        assert (reply["current_version"], second.headers["ETag"]) == (2, '"2"')
        assert "read it again" in reply["detail"]
        whichever = await bo.ask("PATCH", "/rules/high_value", {"weight": 70}, if_match="*")
        assert whichever.status_code == 200
        got = await reader.get("/rules/high_value")
    versions = [(one["version"], one["author"], one["reason"], one["definition"]["weight"]) for one in got["versions"]]
    assert versions == [(3, "bo", "", 70), (2, "bo", "more", 50), (1, "globalmart migrate", "the guide's rules", 40)]
    assert got["definition"]["above"] == "5000.00"


async def test_a_field_is_set_back_by_null_and_amounts_stay_exact(database: Database) -> None:
    async with clerks(database) as (_, _, bo):
        where = {"country_in": ["UK"], "amount_to": 900.1}
        await bo.ask("POST", "/rules", {**CHEAP, "where": where, "cooldown_minutes": 10})
        body = b'{"above": 1234567.89, "where": null, "cooldown_minutes": null, "reason": "exact"}'
        changed = (await bo.ask("PATCH", "/rules/cheap", json.loads(body), if_match='"1"')).json()
    assert changed["versions"][1]["definition"]["where"] == {"country_in": ["UK"], "amount_to": "900.1"}
    assert changed["definition"]["above"] == "1234567.89"
    assert (changed["definition"]["where"], changed["definition"]["cooldown_minutes"]) == ({}, 0)


REFUSED: tuple[tuple[Any, str, str], ...] = (
    ({**CHEAP, "above": "-1"}, "above", "an amount from"),
    ({**CHEAP, "kind": "guess"}, "kind", "the kinds are amount, quantity"),
    ({**CHEAP, "id": "Not a name"}, "id", "lower-case letters"),
    ({**CHEAP, "weight": 101}, "weight", "<= 100"),
    ({**CHEAP, "colour": "red"}, "", "colour"),
    ({**CHEAP, "reason": 7}, "reason", "str"),
    ({**CHEAP, "reason": "x" * 501}, "reason", "500"),
    ({**CHEAP, "name": "a\0b"}, "", "NUL"),
    ({"id": "cheap", "name": "Cheap", "kind": "list", "field": "card", "list": "nowhere"}, "list", "make it first"),
    ([CHEAP], "body", "JSON object"),
)


async def test_what_is_no_rule_is_named_and_changes_nothing(database: Database) -> None:
    async with clerks(database) as (reader, _, bo):
        for body, field, fix in REFUSED:
            reply = problem(await bo.ask("POST", "/rules", body), 422)
            assert fix in reply["detail"], (body, reply)
            assert [each["field"] for each in reply["errors"]] == ([field] if field else []), (body, reply)
        for changes, fix in (
            ({}, "nothing is to change"),
            ({"id": "other"}, "never changes"),
            ({"above": "x"}, "above"),
        ):
            assert fix in problem(await bo.ask("PATCH", "/rules/high_value", changes, if_match='"1"'), 422)["detail"]
        assert problem(await bo.ask("POST", "/rules", {**CHEAP, "id": "high_value"}), 409)["current_version"] == 1
        problem(await bo.ask("PATCH", "/rules/nothing", {"weight": 1}, if_match='"1"'), 404)
        problem(await reader.ask("GET", "/rules/nothing"), 404)
        problem(await reader.ask("GET", "/rules/nothing/performance"), 404)
        assert (await reader.get("/rules"))["edition"] == 1


async def test_a_body_that_is_nested_too_deeply_is_refused(database: Database) -> None:
    body = '{"where": ' + "[" * 30_000 + "]" * 30_000 + "}"
    async with api_over(database) as client:
        answer = await client.post(f"{V1}/rules", content=body, headers={"Content-Type": "application/json"})
        assert problem(answer, 422)["errors"][0]["field"] == "body"
        answer = await client.post(f"{V1}/labels", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text


async def test_thresholds(database: Database) -> None:
    async with clerks(database) as (reader, _, bo):
        stricter = {"review_from": 20, "block_from": 60, "reason": "stricter"}
        problem(await bo.ask("PATCH", "/thresholds", stricter), 428)
        changed = await bo.ask("PATCH", "/thresholds", stricter, if_match='"1"')
        assert changed.json() == {"edition": 2, "review_from": 20, "block_from": 60, "version": 2}
        assert await reader.get("/thresholds") == changed.json()
        await bo.ask("POST", "/rules", CHEAP)
        assert await reader.get("/thresholds") == changed.json() | {"edition": 3}, "a rule changes no threshold"
        reply = problem(await bo.ask("PATCH", "/thresholds", {**stricter, "block_from": 90}, if_match='"1"'), 412)
        assert reply["current_version"] == 2
        same = await bo.ask("PATCH", "/thresholds", stricter, if_match=changed.headers["ETag"])
        assert (same.json()["edition"], same.headers["ETag"]) == (3, '"2"'), "what is so already makes no edition"
        back = await bo.ask("PATCH", "/thresholds", {"review_from": 30, "block_from": 80}, if_match="*")
        assert back.headers["ETag"] == '"4"', "the version of edition 1 does not come back"
        for wrong in ({"review_from": 60, "block_from": 20}, {"review_from": 1}, {"review_from": "1", "block_from": 2}):
            problem(await bo.ask("PATCH", "/thresholds", wrong, if_match="*"), 422)


async def test_roles(database: Database) -> None:
    """Everybody reads; an analyst changes lists, cases and labels, an administrator also rules."""
    adding = {"entries": [{"value": "c1"}]}
    label = {"transaction_id": "t1", "label": "fraud"}
    scores = {"review_from": 1, "block_from": 2}
    attempts: tuple[tuple[str, str, Any, int], ...] = (
        ("POST", "/rules", CHEAP, 2),
        ("PATCH", "/rules/high_value", {"weight": 1}, 2),
        ("PATCH", "/thresholds", scores, 2),
        ("POST", "/lists/stolen?create=true", adding, 1),
        ("DELETE", "/lists/stolen", {"values": ["c1"]}, 1),
        ("PATCH", "/cases/1", {"note": "x"}, 1),
        ("POST", "/labels", label, 1),
    )
    async with clerks(database) as people:
        for method, path, body, needed in attempts:
            for rank, clerk in enumerate(people):
                answer = await clerk.ask(method, path, body, if_match='"1"')
                if rank >= needed:
                    assert answer.status_code in (200, 201, 404), answer.text
                else:
                    reply = problem(answer, 403)["detail"]
                    assert ("has the role" in reply) and f"needs the role {('analyst', 'admin')[needed - 1]}" in reply
        for clerk in people:
            for path in ("/rules", "/lists", "/cases", "/thresholds", "/rules/high_value/performance"):
                await clerk.get(path)
    authors = await database.fetch("SELECT DISTINCT author FROM fraud_editions ORDER BY 1")
    assert [author for (author,) in authors] == ["ann", "bo", "globalmart migrate"]


async def test_without_a_key_nothing_and_without_keys_everything(database: Database) -> None:
    async with api_over(database) as client:
        made = await client.post(f"{V1}/rules", json=CHEAP)
    assert made.json()["author"] == "local"
    async with api_over(database, key_hashes="0" * 64) as client:
        problem(await client.post(f"{V1}/rules", json={**CHEAP, "id": "more"}), 401)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
async def test_a_page_of_another_origin_cannot_change_anything(database: Database, kind: str | None) -> None:
    """Without a preflight, which is never granted, a browser sends no JSON."""
    async with api_over(database, cors_origins="*") as client:
        headers = {"Origin": "https://evil.example", **({} if kind is None else {"Content-Type": kind})}
        answer = await client.post(f"{V1}/rules", content=json.dumps(CHEAP), headers=headers)
        assert "application/json" in problem(answer, 415)["detail"]
        answer = await client.post(f"{V1}/labels", content='{"transaction_id": "t", "label": "fraud"}', headers=headers)
        problem(answer, 415)
        asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = await client.options(f"{V1}/rules", headers=asking)
        assert "POST" not in preflight.headers.get("access-control-allow-methods", "")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:8000", 403),
        ("127.0.0.1:8000", 201),
        ("[::1]:8000", 201),
        ("api:8000", 201),
    ],
)
async def test_without_keys_a_domain_changes_nothing(database: Database, host: str, status: int) -> None:
    """A page may let its own domain resolve to this server, and is of the same origin then."""
    async with api_over(database) as client:
        answer = await client.post(f"{V1}/rules", json=CHEAP, headers={"Host": host})
        assert answer.status_code == status, answer.text
        assert status == 201 or "set GLOBALMART_API_KEY_HASHES" in answer.json()["detail"]
        assert (await client.get(f"{V1}/rules", headers={"Host": host})).status_code == 200
    async with api_over(database, key_hashes=f"bo:admin:{hash_of('gm_bo')}") as client:
        headers = {"Host": host, "X-API-Key": "gm_bo"}
        answer = await client.post(f"{V1}/rules", json={**CHEAP, "id": "more"}, headers=headers)
        assert answer.status_code == 201, "a key is enough"


async def test_a_large_body_is_refused_though_nobody_announced_it(database: Database) -> None:
    async def pieces() -> Any:
        for _ in range(300):
            yield b" " * 1024

    async with served(create_app(database.settings)) as address, httpx.AsyncClient(base_url=address) as client:
        headers = {"Content-Type": "application/json"}
        for path in ("/rules", "/labels"):
            problem(await client.post(f"{V1}{path}", content=pieces(), headers=headers), 413)


async def test_without_its_login_the_api_reads(database: Database) -> None:
    settings = database.settings
    settings.postgres = settings.postgres.model_copy(update={"desk_password": None})
    async with client_of(create_app(settings)) as client:
        assert (await client.get(f"{V1}/rules")).status_code == 200
        reply = problem(await client.post(f"{V1}/rules", json=CHEAP), 503)
    assert "GLOBALMART_POSTGRES_DESK_PASSWORD is not set" in reply["detail"]


async def test_a_change_that_waits_for_another_one_gives_up(database: Database) -> None:
    """The other one holds the lock for longer than the setting allows."""
    settings = database.settings
    settings.postgres = settings.postgres.model_copy(update={"lock_timeout_seconds": 0.2})
    async with client_of(create_app(settings)) as client, database.owner() as owner:
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("SELECT pg_advisory_xact_lock(7116021904)")
        reply = problem(await client.post(f"{V1}/rules", json=CHEAP), 503)
        assert reply["store"] == "postgresql"
        await transaction.rollback()
        assert (await client.post(f"{V1}/rules", json=CHEAP)).status_code == 201


async def test_methods_of_an_address_are_all_named(database: Database) -> None:
    async with api_over(database) as client:
        for path, methods in (
            ("/rules", "GET, HEAD, POST"),
            ("/rules/high_value", "GET, HEAD, PATCH"),
            ("/lists/stolen", "DELETE, GET, HEAD, POST"),
            ("/labels", "POST"),
            ("/rules/test", "POST"),
        ):
            refused = await client.put(f"{V1}{path}")
            assert (refused.status_code, refused.headers["allow"]) == (405, methods)


async def test_performance_by_version_against_plain_counting(database: Database) -> None:
    """Some orders labelled after the fact, of two versions, one of them in shadow."""
    orders = [order(n, amount_cents=600_000 + n, quantity=1 + n % 12, user_id=f"u{n}") for n in range(24)]
    await store(database, orders[:12])
    async with clerks(database) as (reader, ann, bo):
        await bo.ask("PATCH", "/rules/high_value", {"state": "shadow"}, if_match='"1"')
        await store(database, orders[12:], start=12)
        labels = [
            {"transaction_id": orders[n].transaction_id, "label": "fraud" if n % 3 else "legitimate"}
            for n in range(0, 24, 2)
        ]
        assert (await ann.ask("POST", "/labels", labels)).json() == {"stored": 12, "repeated": 0, "without_order": 0}
        got = await reader.get("/rules/high_value/performance")
        empty = await reader.get("/rules/high_value/performance", start_date="2027-01-01")
    fraud = {n for n in range(0, 24, 2) if n % 3}
    legitimate = set(range(0, 24, 2)) - fraud
    assert got["fraud_in_period"] == len(fraud)
    shadowed, active = got["versions"]
    for version, span, number in ((active, range(12), 1), (shadowed, range(12, 24), 2)):
        caught, stopped = fraud & set(span), legitimate & set(span)
        assert (version["version"], version["raised"]) == (number, 12)
        assert (version["fraud"], version["legitimate"]) == (len(caught), len(stopped))
        assert version["precision"] == round(len(caught) / (len(caught) + len(stopped)), 4)
        assert version["recall"] == round(len(caught) / len(fraud), 4)
        assert version["money_caught"] == sum(orders[n].amount_cents for n in caught) / 100
        # In shadow an order is stopped only by what another rule says: ten items and more.
        held = stopped if number == 1 else {n for n in stopped if orders[n].quantity >= 10}
        assert version["money_wrongly_stopped"] == sum(orders[n].amount_cents for n in held) / 100
        assert version["median_seconds_to_detect"] == (JUDGED_AT - NOON).total_seconds().__round__(3)
    assert (empty["versions"], empty["fraud_in_period"]) == ([], 0)
    assert empty["period"] == {"start": "2027-01-01", "end": None}


async def test_a_key_stands_nowhere(database: Database) -> None:
    async with clerks(database) as (_, _, bo):
        await bo.ask("POST", "/rules", CHEAP)
    rows: list[asyncpg.Record] = await database.fetch("SELECT author FROM fraud_editions")
    assert not {key for key in KEYS.values() if any(key in row["author"] for row in rows)}
