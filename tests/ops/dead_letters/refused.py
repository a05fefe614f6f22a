"""Rejected orders of one test, and the command line that replays them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from typer.testing import CliRunner, Result

from app.cli.commands import build_app
from app.topics import TRANSACTIONS
from tests.faults.load import Sent
from tests.faults.world import World


def order(name: str, user: str = "ada", **changes: Any) -> Sent:
    """An order of now; a change to None leaves the field out, `key` is the record's key."""
    key = changes.pop("key", user)
    event = {
        "transaction_id": name,
        "user_id": user,
        "timestamp": datetime.now(UTC).isoformat(),
        "total_amount": "10.00",
    } | changes
    value = json.dumps({k: v for k, v in event.items() if v is not None}).encode()
    return Sent(TRANSACTIONS, key.encode(), value)


async def deliver(world: World, records: Iterable[Sent]) -> None:
    """Send, and wait until the worker has dealt with them."""
    world.sender.send(list(records))
    world.sender.flush()
    await world.consumed()


async def letter_ids(world: World) -> dict[str, int]:
    """Id of each letter by the order it holds, as far as that can be read."""
    rows = await world.sql("SELECT id, value FROM dead_letters ORDER BY id")
    return {_name(row["value"]): row["id"] for row in rows}


def globalmart(world: World, *arguments: str, **changes: str) -> Result:
    """Run a command as the shell would, in this process; settings change without their prefix."""
    app = build_app(arguments)
    return CliRunner().invoke(app, list(arguments), env=world.environment(**changes))


def _name(value: bytes) -> str:
    try:
        return str(json.loads(value)["transaction_id"])
    except ValueError:
        return value.decode("utf-8", "replace")
