"""Rules and lists as people read them: the newest edition, who changed what and why, and what every rule raised."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
import msgspec

_EDITION: Final = """
SELECT edition, created_at, author, reason, review_from, block_from FROM fraud_editions ORDER BY edition DESC LIMIT 1"""
#: The first edition of those up to the newest that have its thresholds.
_THRESHOLDS_VERSION: Final = """
SELECT coalesce(max(before.edition), 0) + 1 FROM fraud_editions before
JOIN fraud_editions newest ON newest.edition = (SELECT max(edition) FROM fraud_editions)
    AND (before.review_from, before.block_from) <> (newest.review_from, newest.block_from)"""
#: `definition` is a text, so that it is passed on as it stands.
_VERSION: Final = """
SELECT rule_id, version, edition, definition::TEXT AS definition, author, reason, created_at AS changed_at
FROM fraud_rules JOIN fraud_editions USING (edition)"""
_RULES: Final = f"""
SELECT * FROM (SELECT DISTINCT ON (rule_id) rank, newest.* FROM ({_VERSION}) AS newest
    JOIN fraud_rules USING (rule_id, version) ORDER BY rule_id, version DESC) AS rule ORDER BY rank"""
_VERSIONS: Final = f"SELECT * FROM ({_VERSION}) AS version WHERE rule_id = $1 ORDER BY version DESC"
#: By rule; the day is that before the given time, by the time of the order.
_RAISED: Final = """
SELECT rule_id,
    coalesce(sum(raised) FILTER (WHERE NOT shadow), 0)::BIGINT AS raised_total,
    coalesce(sum(of_day) FILTER (WHERE NOT shadow), 0)::BIGINT AS raised_24h,
    coalesce(sum(raised) FILTER (WHERE shadow), 0)::BIGINT AS shadow_total,
    coalesce(sum(of_day) FILTER (WHERE shadow), 0)::BIGINT AS shadow_24h
FROM (
    SELECT anomaly_type AS rule_id, false AS shadow, count(*) AS raised,
        count(*) FILTER (WHERE event_time > $1) AS of_day
    FROM transaction_anomalies WHERE $2::TEXT IS NULL OR anomaly_type = $2 GROUP BY 1
    UNION ALL
    SELECT rule_id, true, count(*), count(*) FILTER (WHERE event_time > $1)
    FROM shadow_anomalies WHERE $2::TEXT IS NULL OR rule_id = $2 GROUP BY 1
) AS raised GROUP BY rule_id"""
#: Who made a version, when and why.
_CHANGE: Final = ("version", "edition", "author", "reason", "changed_at")
_NOTHING: Final = {"raised_total": 0, "raised_24h": 0, "shadow_total": 0, "shadow_24h": 0}
#: The newest state of each value.
_PRESENT: Final = """
FROM fraud_list_entries entry WHERE present AND NOT EXISTS (
    SELECT FROM fraud_list_entries later
    WHERE later.list = entry.list AND later.value = entry.value AND later.edition > entry.edition)"""
#: `expired` are those that no order of now is compared with.
_LISTS: Final = f"""
SELECT made.list AS name, author, reason, created_at AS made_at,
    coalesce(entries, 0) AS entries, coalesce(expired, 0) AS expired
FROM fraud_lists made JOIN fraud_editions USING (edition) LEFT JOIN (
    SELECT list, count(*) AS entries, count(*) FILTER (WHERE expires_at <= $1) AS expired {_PRESENT} GROUP BY list
) AS counted USING (list) ORDER BY made.list"""
_LIST_EXISTS: Final = "SELECT EXISTS (SELECT FROM fraud_lists WHERE list = $1)"
_LIST_ENTRIES: Final = f"""
SELECT value, expires_at, note, author, reason, created_at AS added_at FROM (
    SELECT * {_PRESENT} AND list = $1 AND value > $2 AND strpos(lower(value), lower($4)) > 0 ORDER BY value LIMIT $3
) AS page JOIN fraud_editions USING (edition) ORDER BY value"""


class Source(Protocol):
    """A connection, or whatever else answers queries."""

    async def fetch(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Returns all rows."""


async def newest(source: Source) -> asyncpg.Record | None:
    """Returns the newest edition with its thresholds, None in a database without any."""
    rows = await source.fetch(_EDITION)
    return rows[0] if rows else None


async def thresholds_version(source: Source) -> int:
    """Returns the version of the newest thresholds: the edition that made them so."""
    ((version,),) = await source.fetch(_THRESHOLDS_VERSION)
    return int(version)


async def rules(source: Source, since: datetime) -> list[dict[str, Any]]:
    """Returns the newest version of every rule in the order in which they were made, with what each raised since."""
    found = await source.fetch(_RULES)
    raised = {row["rule_id"]: row for row in await source.fetch(_RAISED, since, None)}
    return [_shown(row) | _counts(raised.get(row["rule_id"])) for row in found]


async def rule(source: Source, rule_id: str, since: datetime) -> dict[str, Any] | None:
    """Returns the newest version of a rule with what it raised, and all its versions, newest first."""
    versions = [_shown(row) for row in await source.fetch(_VERSIONS, rule_id)]
    if not versions:
        return None
    raised = await source.fetch(_RAISED, since, rule_id)
    history = [{name: version[name] for name in (*_CHANGE, "definition")} for version in versions]
    return versions[0] | _counts(raised[0] if raised else None) | {"versions": history}


async def lists(source: Source, now: datetime) -> Sequence[asyncpg.Record]:
    """Returns all lists by name, with the number of their values."""
    return await source.fetch(_LISTS, now)


async def list_exists(source: Source, name: str) -> bool:
    """Whether there is a list of this name."""
    ((found,),) = await source.fetch(_LIST_EXISTS, name)
    return bool(found)


async def entries(source: Source, name: str, after: str, limit: int, search: str = "") -> Sequence[asyncpg.Record]:
    """Returns up to `limit` values of a list that follow one, by their letters, and contain `search` in any case."""
    return await source.fetch(_LIST_ENTRIES, name, after, limit, search)


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    definition = msgspec.json.decode(row["definition"])
    return {
        "id": row["rule_id"],
        **{name: definition[name] for name in ("name", "kind", "state", "severity", "weight")},
        **{name: row[name] for name in _CHANGE},
        "definition": definition,
    }


def _counts(row: asyncpg.Record | None) -> dict[str, Any]:
    return dict(_NOTHING) if row is None else {name: row[name] for name in _NOTHING}
