"""Somebody who goes on changing rules, lists and thresholds while orders are judged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import msgspec

from app.errors import StoreUnavailableError
from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import AnyRule, Listed, Where
from app.postgres.connections import POSTGRES_FAILURES
from tests.fraud.kinds import EVERY_KIND

_TRUSTED: Final = Listed(id="trusted", name="Trusted", field="user_id", list="trusted", effect="allow")
_SEEN: Final = Listed(id="seen", name="Seen", field="session_id", list="seen", effect="block")
RULES: Final[tuple[AnyRule, ...]] = (*EVERY_KIND, _TRUSTED, _SEEN)
_DOWN: Final = (*POSTGRES_FAILURES, StoreUnavailableError)


class Editor:
    """Makes changes drawn from a seed; `values` are candidates for each list, entries expire around `now`."""

    def __init__(self, seed: int, values: Mapping[str, Sequence[str]], now: datetime) -> None:
        self._random = Random(seed)
        self._values = values
        self._now = now
        self.changes = 0

    async def begin(self, connection: Any) -> None:
        """Makes the lists, and a rule of every kind in shadow."""
        desk = RuleDesk(connection, "ann")
        for name, values in self._values.items():
            await desk.make_list(name, "made")
            await desk.put_entries(name, [ListEntry(values[0])], "added")
        for rule in RULES:
            await desk.set_rule(msgspec.structs.replace(rule, state="shadow"), "made")

    async def change(self, connection: Any) -> None:
        """One change."""
        desk, pick = RuleDesk(connection, "ann"), self._random
        name = pick.choice(list(self._values))
        value = pick.choice(self._values[name])
        match pick.randrange(6):
            case 0:
                expires_at = self._now + timedelta(seconds=pick.randrange(-3_600, 90_000))
                await desk.put_entries(name, [ListEntry(value, pick.choice([None, expires_at]))], "added")
            case 1:
                await desk.remove_entries(name, [value], "removed")
            case 2:
                await desk.set_thresholds(pick.randrange(10, 50), pick.randrange(50, 100), "changed")
            case _:
                for rule in pick.sample(RULES, pick.randrange(1, 4)):
                    await desk.set_rule(self._changed(rule), "changed")
        self.changes += 1

    def _changed(self, rule: AnyRule) -> AnyRule:
        pick = self._random
        return msgspec.structs.replace(
            rule,
            state=pick.choice(["active", "active", "shadow", "paused"]),
            severity=pick.choice(["low", "medium", "high", "critical"]),
            weight=pick.randrange(0, 60),
            cooldown_minutes=pick.choice([0, 0, 5, 90, 3000]),
            name=f"Named {pick.randrange(100)}",
            where=pick.choice([rule.where, Where(country_in=["UK", "DE", "USA"]), Where(quantity_to=4)]),
        )

    @asynccontextmanager
    async def busy(self, connect: Callable[[], Awaitable[Any]], pause_seconds: float) -> AsyncIterator[None]:
        """Changes go on for as long as the block runs, whenever the database answers."""

        async def go_on() -> None:
            while True:
                with suppress(*_DOWN):
                    connection = await connect()
                    try:
                        await self.change(connection)
                    finally:
                        await connection.close()
                await asyncio.sleep(pause_seconds)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()
            for outcome in await asyncio.gather(task, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
