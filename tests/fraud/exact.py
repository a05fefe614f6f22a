"""A test on history gives what the shadow gave live; writes `var/exact.json`, exit code 1 on any difference.

Three workers judge dirty traffic with every kind in shadow, while rules and lists change and workers are killed. Then
all orders are judged again: not one row may differ, and with today's lists some must.
"""

import argparse
import asyncio
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from rich.console import Console

from app.fraud.backtest.differences import differences
from app.fraud.editions import ListEntry, RuleDesk, load_rulebook
from app.fraud.rules import (
    Amount,
    AnyRule,
    CardTesting,
    Deviation,
    Distinct,
    Listed,
    NewCategory,
    NewCustomer,
    Quantity,
    Spend,
    Velocity,
    Where,
)
from app.postgres.connections import connect_owner, connect_reader
from app.settings import Settings
from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.load import Traffic
from tests.faults.world import World

_FOLDER: Final = Path("var/exact")
_REPORT: Final = Path("var/exact.json")
_WORKERS: Final = 3
_KILLS: Final = 2
_BURST: Final = 1_000
#: Of the traffic's records.
_ORDERS_SHARE: Final = 0.7
_RECORD_SECONDS: Final = 0.03
_AHEAD: Final = 30_000
_CHANGE_SECONDS: Final = 1.5
_CARDS: Final = tuple(f"c{number}" for number in range(60))
_SHOWN: Final = 10
_SPANS: Final = """
SELECT partition, first_offset, edition FROM judged_from WHERE topic = 'transactions'
ORDER BY partition, first_offset"""
_PER_SPAN: Final = """
SELECT width_bucket(source_offset, $2::BIGINT[]) AS span, count(*) FROM transactions WHERE source_partition = $1
GROUP BY 1"""

#: Every kind, with limits that some orders of the traffic exceed.
RULES: Final[tuple[AnyRule, ...]] = (
    Amount(id="large", name="Large abroad", above=Decimal("4000.00"), where=Where(country_not_in=["USA"])),
    Quantity(id="bulk", name="Bulk", at_least=11, where=Where(amount_to=Decimal("150.00"))),
    Velocity(id="minute", name="Minute", more_than=9, seconds=60),
    Velocity(id="tens", name="Tens", more_than=60, seconds=600),
    Spend(id="spree", name="Spree", above=Decimal("20000.00"), seconds=60),
    Distinct(id="cards", name="Cards", field="card", at_least=4, seconds=20),
    CardTesting(id="testing", name="Testing", at_least=2, below=Decimal("3.00"), above=Decimal("250.00"), seconds=900),
    NewCustomer(id="newcomer", name="Newcomer", above=Decimal("20.00")),
    Deviation(
        id="unlike",
        name="Unlike",
        deviations=Decimal("2.5"),
        orders=50,
        at_least=5,
        where=Where(amount_from=Decimal("150.00")),
    ),
    NewCategory(id="novel", name="Novel", above=Decimal("1.00"), at_least=2),
    Listed(id="stolen_card", name="Stolen card", field="card", list="stolen"),
)


class CardTraffic(Traffic):
    """The dirty traffic of the fault tests, its orders paid by cards, up to now at its end."""

    def __init__(self, seed: int, records: int) -> None:
        super().__init__(seed)
        self._now = time.time() - records * _RECORD_SECONDS

    def _order(self) -> dict[str, Any]:
        return super()._order() | {"card": self._random.choice((*_CARDS, None))}


class Exactness:
    """One run; `orders` are sent, as far as the traffic's shares go."""

    def __init__(self, world: World, orders: int, seed: int, say: Callable[[str], None]) -> None:
        self._world = world
        self._records = round(orders / _ORDERS_SHARE)
        self._traffic = CardTraffic(seed, self._records)
        self._random = random.Random(seed)
        self._say = say
        self._changes = 0

    async def run(self) -> dict[str, Any]:
        """Judges live, then again; returns orders, rows compared and differences."""
        began, settings = time.monotonic(), Settings(self._world.environment())
        owner = await connect_owner(settings.postgres)
        try:
            await self._make_rules(owner)
            changing = asyncio.create_task(self._change_until_cancelled(owner))
            try:
                await self._judge_live()
            finally:
                changing.cancel()
                await asyncio.gather(changing, return_exceptions=True)
            live_seconds = time.monotonic() - began
        finally:
            await owner.close()
        return {"live_seconds": round(live_seconds, 1), "changes": self._changes, **await self._compare(settings)}

    async def _judge_live(self) -> None:
        """Sends everything to workers of which two are killed; returns when all is consumed."""
        world = self._world
        workers = [world.worker() for _ in range(_WORKERS)]
        kills = [self._records * number // (_KILLS + 1) for number in range(1, _KILLS + 1)]
        while world.sender.sent < self._records:
            world.sender.send(self._traffic.records(_BURST))
            await asyncio.to_thread(world.sender.flush)
            while world.sender.sent - (committed := await world.committed()) > _AHEAD:
                await asyncio.sleep(0.1)
            if kills and committed >= kills[0]:
                kills.pop(0)
                self._say(f"{committed:,} records: a worker is killed")
                workers[0].kill()
                workers = [*workers[1:], world.worker()]
        await world.consumed()
        assert not kills, "every kill has happened"

    async def _make_rules(self, owner: asyncpg.Connection) -> None:
        desk = RuleDesk(owner, "exact")
        await desk.make_list("stolen", "made")
        for rule in RULES:
            await desk.set_rule(rule, "made")

    async def _change_until_cancelled(self, owner: asyncpg.Connection) -> None:
        while True:
            await asyncio.sleep(_CHANGE_SECONDS)
            await self._change(RuleDesk(owner, "exact"))
            self._changes += 1

    async def _change(self, desk: RuleDesk) -> None:
        match self._random.randrange(5):
            case 0:
                await desk.put_entries("stolen", [ListEntry(card) for card in self._random.sample(_CARDS, 5)], "added")
            case 1:
                await desk.remove_entries("stolen", self._random.sample(_CARDS, 5), "removed")
            case 2:
                state = self._random.choice(("shadow", "shadow", "paused"))
                rule = msgspec.structs.replace(self._random.choice(RULES), state=state)
                await desk.set_rule(rule, "another state")
            case 3:
                # With a filter no rule needs every history, so of most users only totals are kept.
                (rule,) = (rule for rule in RULES if rule.id == "unlike")
                where = self._random.choice((Where(), Where(amount_from=Decimal("150.00"))))
                await desk.set_rule(msgspec.structs.replace(rule, where=where), "another filter")
            case _:
                (rule,) = (rule for rule in RULES if rule.id == "large")
                above = Decimal(self._random.randrange(3_000, 9_000))
                await desk.set_rule(msgspec.structs.replace(rule, above=above), "another limit")

    async def _compare(self, settings: Settings) -> dict[str, Any]:
        began = time.monotonic()
        postgres = settings.postgres.model_copy(update={"command_timeout_seconds": 3600.0})
        reader = await connect_reader(postgres, "exact")
        try:
            found = await differences(reader)
            seconds = time.monotonic() - began
            control = await differences(reader, lists_now=True)
            decisions = await _decisions(reader)
            by_rule = await reader.fetch(
                "SELECT rule_id, count(*) AS raised FROM shadow_anomalies GROUP BY 1 ORDER BY 1"
            )
        finally:
            await reader.close()
        return {
            "orders": found.orders,
            "decisions": decisions,
            "compared": found.compared,
            "differences": len(found.differences),
            "negative_control_differences": len(control.differences),
            "replay_seconds": round(seconds, 1),
            "by_rule": {row["rule_id"]: row["raised"] for row in by_rule},
            "first_differences": found.differences[:_SHOWN],
        }


async def _decisions(reader: asyncpg.Connection) -> int:
    """How often a rule in shadow has looked at an order: orders of each edition, times its rules."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for partition, first, edition in await reader.fetch(_SPANS):
        spans.setdefault(partition, []).append((first, edition))
    orders: Counter[int] = Counter()
    for partition, judged in spans.items():
        for place, count in await reader.fetch(_PER_SPAN, partition, [first for first, _ in judged]):
            orders[judged[place - 1][1]] += count
    total = 0
    for edition, count in orders.items():
        book = await load_rulebook(reader, edition)
        total += count * sum(version.rule.state == "shadow" for version in book.rules)
    return total


def failures(found: dict[str, Any]) -> list[str]:
    """What is wrong with the outcome; empty when it is as it should be."""
    wrong = [f"{found['differences']} rows differ"] if found["differences"] else []
    if not found["negative_control_differences"]:
        wrong.append("the negative control does not differ: the comparison would see nothing")
    silent = [rule.id for rule in RULES if rule.id not in found["by_rule"]]
    return wrong + ([f"nothing raised {', '.join(silent)}"] if silent else [])


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fraud.exact", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_300_000, help="orders to send")
    parser.add_argument("--seed", type=int, default=7, help="of traffic and changes")
    options = parser.parse_args()
    console = Console(stderr=True)
    with EmbeddedStack(
        _FOLDER, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=console.log
    ) as stack:
        found = asyncio.run(_run(stack, options, console))
    wrong = failures(found)
    _REPORT.write_text(json.dumps({"seed": options.seed, "failures": wrong, **found}, indent=2) + "\n")
    console.print_json(json.dumps(found))
    console.print(f"{'; '.join(wrong) or 'not one row differs'}, see {_REPORT}")
    raise SystemExit(1 if wrong else 0)


async def _run(stack: EmbeddedStack, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    topics.recreate_topics(stack.kafka.bootstrap)
    database = await databases.create_database(stack)
    logs = _FOLDER.absolute() / "workers"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    world = World(stack, logs, database, options.seed)
    try:
        return await Exactness(world, options.orders, options.seed, console.log).run()
    finally:
        world.close()


if __name__ == "__main__":
    main()
