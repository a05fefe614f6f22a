"""The checks of the fraud desk: rules that differ from the settings, and rules that look back further than is kept."""

from collections.abc import Iterator
from typing import Final

import asyncpg

from app.fraud.editions import load_rulebook, newest_edition
from app.fraud.rulebook import Rulebook, guide_rules, needs_history
from app.fraud.rules import AnyRule, Velocity
from app.ops.doctor.findings import Finding
from app.settings import AnomalySettings

_AREA: Final = "Rules"
_DAY_US: Final = 86_400 * 1_000_000


async def read_rulebook(connection: asyncpg.Connection) -> Rulebook | None:
    """Returns the newest edition, None in a database that has none."""
    has_editions = await connection.fetchval("SELECT to_regclass('fraud_editions') IS NOT NULL")
    if not has_editions or not await newest_edition(connection):
        return None
    return await load_rulebook(connection)


def check_thresholds(book: Rulebook, settings: AnomalySettings) -> Iterator[Finding]:
    """Notes each setting that differs from its rule; of these only the first `globalmart migrate` makes rules."""
    for guide in guide_rules(settings):
        present, variable = book.version_of(guide.id), settings.variable(guide.id)
        if present is None:
            continue
        if not _are_comparable(present.rule, guide):
            yield Finding(
                _AREA,
                f"{guide.id} is another rule than the guide's now (version {present.version}), so {variable} "
                "says nothing of it",
                "nothing has to be done: rules in the database count",
                is_note=True,
            )
        elif present.rule.threshold != guide.threshold:
            yield Finding(
                _AREA,
                f"{guide.id} compares with {present.rule.threshold} (version {present.version}), {variable} is "
                f"{guide.threshold}",
                "rules in the database count: give the setting the same value, or change the rule with "
                "`globalmart rules set`",
                is_note=True,
            )


def check_retention(book: Rulebook, retention_days: int | None) -> Iterator[Finding]:
    """Reports rules that look back further than orders are kept: what they find depends on when orders were deleted."""
    if retention_days is None:
        return
    kept_us = retention_days * _DAY_US
    forgetful = [v.rule.id for v in book.judged if needs_history(v.rule) and v.rule.lookback_us > kept_us]
    if forgetful:
        longest = -(-book.lookback_us // _DAY_US)
        yield Finding(
            _AREA,
            f"{', '.join(forgetful)}: these look back up to {longest} days, and "
            f"GLOBALMART_STREAM_RETENTION_DAYS deletes orders after {retention_days}",
            f"keep orders for {longest + 1} days, or pause these rules (`globalmart rules pause`)",
        )


def _are_comparable(rule: AnyRule, guide: AnyRule) -> bool:
    """Whether both compare the same measure."""
    if isinstance(rule, Velocity) and isinstance(guide, Velocity):
        return rule.seconds == guide.seconds
    return type(rule) is type(guide)
