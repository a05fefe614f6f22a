"""Lists over HTTP: made, filled, paged, emptied."""

from datetime import timedelta
from typing import Any

from tests.api.desk import clerks, problem
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database

STOLEN = {"id": "stolen_card", "name": "Stolen", "kind": "list", "field": "card", "list": "stolen", "effect": "block"}


async def test_a_value_counts_from_the_next_order_until_it_expires(database: Database) -> None:
    async with clerks(database) as (reader, ann, bo):
        entries = [{"value": "c1", "note": "reported"}, {"value": "c2", "expires_at": "2026-03-01T12:00:00Z"}]
        body = {"entries": entries, "reason": "chargebacks"}
        assert "there is no list stolen" in problem(await ann.ask("POST", "/lists/stolen", body), 404)["detail"]
        made = await ann.ask("POST", "/lists/stolen", body, create="true")
        assert made.status_code == 200, made.text
        assert (await bo.ask("POST", "/rules", {**STOLEN, "state": "active"})).status_code == 201
        rows = [order(0, card="c1"), order(1, card="c2"), order(2, card="c2", timestamp=NOON - timedelta(minutes=1))]
        await store(database, rows)
        assert [row["transaction_id"] for row in await _blocked(database)] == ["t000000", "t000002"]
        removed = await ann.ask("DELETE", "/lists/stolen", {"values": ["c1", "never there"], "reason": "found"})
        reply = removed.json()
        assert (removed.status_code, reply["changed"], reply["unchanged"]) == (200, 1, 1)
        again = await ann.ask("DELETE", "/lists/stolen", {"values": ["c1"], "reason": "once more"})
        assert again.json() == {**reply, "changed": 0}
        await store(database, [order(3, card="c1")], start=3)
        assert len(await _blocked(database)) == 2
        got = await reader.get("/lists/stolen")
    assert [(one["value"], one["author"], one["reason"]) for one in got["entries"]] == [("c2", "ann", "chargebacks")]
    assert got["entries"][0]["expires_at"] == "2026-03-01T12:00:00Z"


async def test_an_empty_list_is_made_once(database: Database) -> None:
    async with clerks(database, NOON) as (reader, ann, bo):
        reply = problem(await reader.ask("POST", "/lists", {"name": "stolen"}), 403)
        assert "analyst" in reply["detail"]
        made = await ann.ask("POST", "/lists", {"name": "stolen", "reason": "cards"})
        assert made.status_code == 201, made.text
        assert (made.json()["entries"], made.json()["author"], made.json()["reason"]) == (0, "ann", "cards")
        reply = problem(await bo.ask("POST", "/lists", {"name": "stolen"}), 409)
        assert "there is a list stolen already" in reply["detail"]
        reply = problem(await ann.ask("POST", "/lists", {"name": "Stolen Cards"}), 422)
        assert "lower-case letters, digits and _" in reply["detail"]
        assert (await reader.get("/lists"))["lists"] == [made.json()]
        assert (await reader.get("/lists/stolen"))["entries"] == []
        assert (await bo.ask("POST", "/rules", STOLEN)).status_code == 201


async def test_what_is_added_differs_from_what_is_changed(database: Database) -> None:
    async with clerks(database) as (_, ann, __):
        first = await ann.ask("POST", "/lists/stolen", {"entries": [{"value": "a"}, {"value": "b"}]}, create="true")
        again = {"entries": [{"value": "a"}, {"value": "b", "note": "known"}, {"value": "c"}]}
        second = await ann.ask("POST", "/lists/stolen", again)
        third = await ann.ask("DELETE", "/lists/stolen", {"values": ["a", "x"]})
        fourth = await ann.ask("POST", "/lists/stolen", {"entries": [{"value": "a"}]})
    figures = [[answer.json()[name] for name in ("changed", "added", "unchanged")] for answer in (first, second, third)]
    assert figures == [[2, 2, 0], [2, 1, 1], [1, 0, 1]]
    assert fourth.json()["added"] == 1


async def test_values_are_searched_in_any_case_and_page_by_page(database: Database) -> None:
    values = [f"Card-{n:02}-%_" for n in range(12)] + ["other", "CARDINAL"]
    async with clerks(database) as (reader, ann, _):
        await ann.ask("POST", "/lists/many", {"entries": [{"value": value} for value in values]}, create="true")
        found, query = [], {"search": "card", "limit": 5}
        while True:
            page = await reader.get("/lists/many", **query)
            found += [entry["value"] for entry in page["entries"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        reply = problem(await reader.ask("GET", "/lists/many", cursor=query["cursor"], search="other"), 422)
        assert "belongs to other parameters" in reply["detail"]
        # What means something to LIKE does not here.
        assert len((await reader.get("/lists/many", search="%_"))["entries"]) == 12
        assert (await reader.get("/lists/many", search="0%"))["entries"] == []
        problem(await reader.ask("GET", "/lists/many", search="x" * 101), 422)
        problem(await reader.ask("GET", "/lists/many", search="\0"), 422)
    assert sorted(found) == sorted([*values[:12], "CARDINAL"])


async def _blocked(database: Database) -> list[Any]:
    return await database.fetch("SELECT transaction_id FROM verdicts WHERE action = 'block' ORDER BY source_offset")


async def test_a_list_is_paged_by_its_values(database: Database) -> None:
    values = sorted(f"v{n:03}-é" for n in range(25))
    async with clerks(database, NOON) as (reader, ann, _):
        body = {"entries": [{"value": value} for value in reversed(values)]}
        await ann.ask("POST", "/lists/many", body, create="true")
        past = {"entries": [{"value": values[0], "expires_at": "2026-03-01T13:00:00+01:00"}]}
        await ann.ask("POST", "/lists/many", past)
        found, query = [], {"limit": 7}
        while True:
            page = await reader.get("/lists/many", **query)
            found += [entry["value"] for entry in page["entries"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        (one,) = (await reader.get("/lists"))["lists"]
        for wrong in ("x", page["next_cursor"] or query["cursor"]):
            problem(await reader.ask("GET", "/lists/other", cursor=wrong), 422)
        problem(await reader.ask("GET", "/lists/other"), 404)
    assert found == values
    assert (one["name"], one["entries"], one["expired"]) == ("many", 25, 1)


async def test_what_cannot_be_on_a_list_is_named(database: Database) -> None:
    refused: tuple[tuple[str, Any, str], ...] = (
        ("/lists/Stolen%20Cards", {"entries": [{"value": "c1"}]}, "is no name"),
        ("/lists/stolen", {"entries": [{"value": ""}]}, "value"),
        ("/lists/stolen", {"entries": [{"value": "a\0b"}]}, "NUL"),
        ("/lists/stolen", {"entries": [{"value": "c1", "note": "\0"}]}, "NUL"),
        ("/lists/stolen", {"entries": [{"value": "c1", "expires_at": 1_762_041_600}]}, "expires_at"),
        ("/lists/stolen", {"entries": [{"value": "c1", "expires_at": "2026-03-01"}]}, "not a day"),
        ("/lists/stolen", {"entries": [{"value": "c1", "until": "x"}]}, "until"),
        ("/lists/stolen", {"entries": []}, "entries"),
        ("/lists/stolen", {"entries": [{"value": "c1"}], "reason": "\0"}, "reason"),
    )
    async with clerks(database) as (reader, ann, _):
        for path, body, fix in refused:
            reply = problem(await ann.ask("POST", f"{path}?create=true", body), 422)
            assert fix in reply["detail"], (body, reply)
        assert (await reader.get("/lists"))["lists"] == []
    assert await database.fetch("SELECT 1 FROM fraud_editions WHERE edition > 1") == []


async def test_a_thousand_values_of_any_length_are_one_request(database: Database) -> None:
    values = [f"{n:04}".ljust(100, "x") for n in range(1_000)]
    entries = [{"value": value, "expires_at": "2026-12-31T00:00:00Z", "note": "chargeback"} for value in values]
    async with clerks(database) as (reader, ann, _):
        added = await ann.ask("POST", "/lists/stolen", {"entries": entries}, create="true")
        assert (added.status_code, added.json()["changed"]) == (200, 1_000), added.text
        reply = problem(await ann.ask("POST", "/lists/stolen", {"entries": entries * 2}), 413)
        assert "send it in parts, or raise GLOBALMART_API_BODY_MAX_BYTES" in reply["detail"]
        removed = await ann.ask("DELETE", "/lists/stolen", {"values": values})
        assert removed.json()["lists"][0]["entries"] == 0
        assert (await reader.get("/lists"))["lists"] == removed.json()["lists"]
