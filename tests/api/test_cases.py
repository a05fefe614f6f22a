"""Cases and labels over HTTP: the queue, one case, decisions with their history, and what they say of the order."""

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest

from api.queries.cases import Sort, page_query
from app.postgres.connections import reader_pool
from tests.api.desk import Clerk, clerks, problem
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database

NOW = NOON + timedelta(days=1)
_MANY = """
INSERT INTO cases (transaction_id, status, severity, amount, event_time, opened_at)
SELECT 't' || n, CASE WHEN n % 5 = 0 THEN 'dismissed' ELSE 'open' END,
    (ARRAY['low', 'medium', 'high', 'critical'])[1 + n % 4], n % 1000, $1::TIMESTAMPTZ - n * INTERVAL '1 minute', $1
FROM generate_series(1, 20000) AS n"""


async def _filled(database: Database) -> None:
    """Cases of both severities; some of the same amount."""
    rows = [
        order(
            n,
            user_id=f"u{n % 5}",
            amount_cents=[600_000, 700_000, 1_000][n % 3],
            quantity=12 if n % 3 == 2 else 1,
            timestamp=NOON - timedelta(minutes=n * 10),
        )
        for n in range(30)
    ]
    await store(database, rows)


async def _all(clerk: Clerk, **query: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await clerk.get("/cases", **query)
        found += page["cases"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def test_what_is_so_already_makes_no_version(database: Database) -> None:
    await _filled(database)
    async with clerks(database) as (reader, ann, _):
        case_id = (await _all(reader))[0]["case_id"]
        taken = await ann.ask("PATCH", f"/cases/{case_id}", {"assignee": "ann", "status": "open"}, if_match="*")
        again = await ann.ask("PATCH", f"/cases/{case_id}", {"assignee": "ann", "status": "open"}, if_match="*")
        assert again.json() == taken.json()
        assert (again.headers["ETag"], len(again.json()["history"])) == ('"2"', 1)
        noted = await ann.ask("PATCH", f"/cases/{case_id}", {"status": "open", "note": "called her"}, if_match="*")
        assert (noted.headers["ETag"], noted.json()["history"][-1]["note"]) == ('"3"', "called her")


@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_the_queue_shows_every_case_once_the_worst_first(database: Database, limit: int) -> None:
    await _filled(database)
    async with clerks(database) as (reader, _, _):
        worst = await _all(reader, limit=limit)
        newest = await _all(reader, limit=limit, sort="newest", status="open")
        high = await _all(reader, limit=limit, severity="high", status="open")
    assert len({case["case_id"] for case in worst}) == len(worst) == 30
    rank = {"high": 2, "medium": 1}
    assert worst == sorted(
        worst, key=lambda case: (rank[case["severity"]], case["amount"], case["case_id"]), reverse=True
    )
    assert newest == sorted(newest, key=lambda case: (case["event_time"], case["case_id"]), reverse=True)
    assert len(newest) == 30
    assert high == [case for case in worst if case["severity"] == "high"] and len(high) == 20
    assert worst[0]["rules"] == ["high_value"]
    assert (worst[0]["risk_score"], worst[0]["action"], worst[0]["user_id"]) == (40, "review", "u3")


@pytest.mark.parametrize("sort", ["severity", "newest"])
async def test_a_page_of_the_open_cases_reads_no_other_cases(database: Database, sort: Sort) -> None:
    """The first page and one in the middle come from an index, in its order: nothing is sorted that is not shown."""
    async with database.owner() as owner:
        await owner.execute(_MANY, NOON)
        await owner.execute("ANALYZE cases")
    middle: list[Any] = [3, 50_000, 9] if sort == "severity" else [NOON - timedelta(days=1), 9]
    pool = await reader_pool(database.postgres, "test", connections=1, query_seconds=30)
    scan = f"Index Scan Backward using idx_cases_{'queue' if sort == 'severity' else 'newest'} on cases"
    for after, status in itertools.product((None, middle), ("open", None)):
        query, arguments = page_query(status, None, None, sort, after, 51)
        plan = await pool.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {query}", *arguments)
        lines = [line for (line,) in plan if " on cases" in line]
        assert {re.sub(r"\s*->|( cases_\d)?\s*\(.*", "", line).strip() for line in lines} == {scan}, plan
        assert len(lines) == (1 if status else 3)
        assert max(int(rows) for line in lines for rows in re.findall(r"rows=(\d+)", line)) <= 51, plan
    await pool.close()


async def test_one_case_has_all_that_is_known(database: Database) -> None:
    rows = [order(n, timestamp=NOON - timedelta(minutes=n)) for n in range(1, 30)]
    await store(database, [order(0, amount_cents=900_000, quantity=12), *rows])
    async with clerks(database, NOW) as (reader, ann, _):
        await ann.ask("POST", "/labels", {"transaction_id": "t000003", "label": "fraud", "source": "chargeback"})
        found = await reader.ask("GET", "/cases/1")
        problem(await reader.ask("GET", "/cases/99"), 404)
        problem(await reader.ask("GET", "/cases/zero"), 422)
    case = found.json()
    assert found.headers["ETag"] == '"1"'
    assert [(one["rule_id"], one["measure"], one["weight"]) for one in case["reasons"]] == [
        ("high_value", "9000.00", 40),
        ("unusual_quantity", "12", 30),
    ]
    assert (case["label"], case["history"], case["risk_score"]) == (None, [], 70)
    assert [one["transaction_id"] for one in case["recent_orders"]] == [f"t{n:06}" for n in range(20)]
    assert [one["label"] for one in case["recent_orders"][:4]] == [None, None, None, "fraud"]
    assert [one["action"] for one in case["recent_orders"][:2]] == ["review", None]


async def test_a_decision_is_noted_labels_the_order_and_makes_a_version(database: Database) -> None:
    await store(database, [order(0, amount_cents=900_000)])
    async with clerks(database, NOW) as (reader, ann, bo):
        problem(await ann.ask("PATCH", "/cases/1", {"status": "confirmed"}), 428)
        taken = await ann.ask("PATCH", "/cases/1", {"assignee": "ann"}, if_match='"1"')
        assert (taken.status_code, taken.headers["ETag"]) == (200, '"2"')
        assert [case["case_id"] for case in await _all(reader, assignee="ann")] == [1]
        reply = problem(await bo.ask("PATCH", "/cases/1", {"status": "dismissed"}, if_match='"1"'), 412)
        assert reply["current_version"] == 2
        decided = await ann.ask(
            "PATCH", "/cases/1", {"status": "confirmed", "note": "card reported stolen"}, if_match='"2"'
        )
        case = decided.json()
        assert (case["status"], case["closed_at"]) == ("confirmed", "2026-03-02T12:00:00Z")
        assert (case["label"]["label"], case["label"]["source"], case["label"]["author"]) == ("fraud", "analyst", "ann")
        assert case["label"]["event_time"] == "2026-03-02T12:00:00Z"
        again = await bo.ask("PATCH", "/cases/1", {"status": "open", "assignee": None}, if_match='"3"')
        assert (again.json()["status"], again.json()["closed_at"], again.json()["assignee"]) == ("open", None, None)
        last = await bo.ask("PATCH", "/cases/1", {"status": "dismissed"}, if_match="*")
        assert last.json()["label"]["label"] == "legitimate"
        noted = await bo.ask("PATCH", "/cases/1", {"note": "called the customer"}, if_match='"5"')
        history = noted.json()["history"]
        for wrong, fix in (({}, "nothing is to change"), ({"note": "\0"}, "NUL"), ({"status": "lost"}, "status")):
            assert fix in problem(await bo.ask("PATCH", "/cases/1", wrong, if_match='"6"'), 422)["detail"]
        problem(await bo.ask("PATCH", "/cases/99", {"note": "x"}, if_match='"1"'), 404)
    assert [(event["author"], event["action"], event["note"]) for event in history] == [
        ("ann", "assigned", ""),
        ("ann", "confirmed", "card reported stolen"),
        ("bo", "reopened", ""),
        ("bo", "unassigned", ""),
        ("bo", "dismissed", ""),
        ("bo", "noted", "called the customer"),
    ]


async def test_labels_are_kept_and_the_newest_counts(database: Database) -> None:
    await store(database, [order(0, amount_cents=900_000)])
    label = {"transaction_id": "t000000", "label": "fraud", "source": "chargeback"}
    async with clerks(database, NOW) as (reader, ann, _):
        first = await ann.ask("POST", "/labels", {**label, "event_time": "2026-03-02T10:00:00Z"})
        assert (first.status_code, first.json()) == (201, {"stored": 1, "repeated": 0, "without_order": 0})
        late = [
            {**label, "label": "legitimate", "source": "import", "event_time": "2026-03-02T09:00:00+02:00"},
            {**label, "event_time": "2026-03-02T10:00:00Z"},
            {"transaction_id": "elsewhere", "label": "fraud"},
        ]
        assert (await ann.ask("POST", "/labels", late)).json() == {"stored": 2, "repeated": 1, "without_order": 1}
        case = await reader.get("/cases/1")
        assert (case["label"]["label"], case["label"]["source"]) == ("fraud", "chargeback")
        refused: tuple[tuple[Any, str], ...] = (
            ({**label, "label": "maybe"}, "label"),
            ({**label, "source": "rumour"}, "source"),
            ({**label, "transaction_id": "\0"}, "NUL"),
            ({**label, "event_time": 1_762_041_600}, "event_time"),
            ({**label, "event_time": "2027-01-01T00:00:00Z"}, "in the future"),
            ([], "labels"),
            ([label, {**label, "label": "no"}], "label"),
        )
        for body, _ in refused:
            problem(await ann.ask("POST", "/labels", body), 422)
    assert len(await database.fetch("SELECT 1 FROM fraud_labels")) == 3
