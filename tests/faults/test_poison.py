"""Rubbish of every kind between good records: it never blocks, and exactly it becomes dead letters."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Final

from app.topics import SYSTEM_METRICS, TRANSACTIONS
from tests.faults.load import MALFORMED, MALFORMED_ORDERS, Sent
from tests.faults.world import World

#: The database refuses what the decoder has let through, with SQLSTATE 22003, 23514 and 22P02.
_REFUSE: Final = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.transaction_id LIKE 'poison-22-%' THEN
        RAISE numeric_value_out_of_range;
    ELSIF NEW.transaction_id LIKE 'poison-23-%' THEN
        RAISE check_violation;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION refuse()"""


def _order(name: str) -> dict[str, Any]:
    time_now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    return {"transaction_id": name, "user_id": "victim", "timestamp": time_now, "total_amount": "6000.00"}


def _measurement(name: str) -> dict[str, Any]:
    time_now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    return {"host": "h", "component": "db", "metric": name, "value": 1.5, "timestamp": time_now}


def _good(name: str) -> Sent:
    return Sent(TRANSACTIONS, b"victim", json.dumps(_order(name)).encode())


async def test_every_malformed_kind_becomes_a_dead_letter(world: World) -> None:
    for number, spoil in enumerate(MALFORMED_ORDERS.values()):
        bad = Sent(TRANSACTIONS, b"victim", spoil(_order(f"bad-{number}")))
        world.sender.send([_good(f"before-{number}"), bad, _good(f"after-{number}")])
    kinds = [spoil for name, spoil in MALFORMED.items() if name != "nan"]
    for number, spoil in enumerate(kinds):
        world.sender.send([Sent(SYSTEM_METRICS, b"h", spoil(_measurement(f"m{number}")))])
    world.sender.flush()
    world.worker()
    report = await world.exact()
    orders = report.topics[TRANSACTIONS].found
    assert orders["dead_lettered"] == len(MALFORMED_ORDERS)
    assert orders["stored"] == 2 * len(MALFORMED_ORDERS)
    assert report.topics[SYSTEM_METRICS].found["dead_lettered"] == len(kinds)


async def test_what_only_the_database_refuses(world: World) -> None:
    await world.execute(_REFUSE)
    names = [f"good-{number}" for number in range(1000)]
    for place, kind in ((0, 22), (1, 23), (400, 22), (401, 22), (999, 23)):
        names.insert(place, f"poison-{kind}-{place}")
    world.sender.send([_good(name) for name in names])
    world.sender.flush()
    worker = world.worker()
    await world.bursts(5)
    report = await world.exact()
    assert report.topics[TRANSACTIONS].rejected_by_database == 5
    rows = await world.sql(
        "SELECT convert_from(value, 'UTF8')::JSONB ->> 'transaction_id' AS id FROM dead_letters "
        "WHERE reason = 'rejected_by_database' ORDER BY source_offset"
    )
    poison = [name for name in names if name.startswith("poison")]
    assert [row["id"] for row in rows] == poison
    assert worker.exit_code is None, worker.tail()
