"""Every query of every dashboard is asked for real, and finds data; sums over a range are exact."""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from grafana.sql import business as sql
from tests.grafana.conftest import Monitored, until
from tests.grafana.panels import FOLDER, Query, Range, queries, with_macros

_COUNTRIES = ["USA", "UK", "Canada", "Germany", "France", "unknown"]
_QUERIES = list(queries())
_MAY_BE_ZERO: Final = ("pipeline: Alerts A", "pipeline: Event streams A", "pipeline: Lag A")


def _of(source: str) -> list[Query]:
    return [query for query in _QUERIES if query.source == source]


def _last(span: timedelta, step: timedelta) -> Range:
    now = datetime.now(UTC)
    return Range(now - span, now, step)


def _figures(data: dict[str, Any]) -> Iterator[float]:
    """Numbers of a vector or of a matrix."""
    for one in data["result"]:
        yield from (float(value) for _, value in one.get("values", [one.get("value")]))


def _asked(monitored: Monitored, query: Query) -> list[float]:
    """Numbers a query finds now, as Grafana would ask it."""
    shown = _last(timedelta(minutes=1), timedelta(seconds=2))
    text = with_macros(query.text, shown)
    if query.instant:
        data = monitored.ask("query", query=text, time=shown.end.timestamp())
    else:
        data = monitored.ask(
            "query_range",
            query=text,
            start=shown.start.timestamp(),
            end=shown.end.timestamp(),
            step=shown.step.total_seconds(),
        )
    return [figure for figure in _figures(data) if not math.isnan(figure)]


@pytest.mark.parametrize("query", _of("globalmart-prometheus"), ids=lambda query: query.name)
def test_prometheus_finds_data(monitored: Monitored, query: Query) -> None:
    """Soon, that is: some figures are renewed every few seconds only, and need two scrapes."""

    def finds_data() -> bool:
        numbers = _asked(monitored, query)
        return any(numbers) or (numbers != [] and query.name in _MAY_BE_ZERO)

    until(finds_data, f"no data, or only zeros: {query.text}")


@pytest.mark.parametrize(
    ("span", "step"),
    [(timedelta(hours=1), timedelta(minutes=1)), (timedelta(days=7), timedelta(hours=2))],
    ids=["an hour", "a week"],
)
async def test_postgresql_finds_data(monitored: Monitored, span: timedelta, step: timedelta) -> None:
    empty = []
    for query in _of("globalmart-postgresql"):
        text = with_macros(query.text, _last(span, step), country=_COUNTRIES)
        (rows,) = await monitored.rows(text)
        if not any(value is not None for row in rows for value in row):
            empty.append(f"{query.name}: {text}")
        if query.shape == "time_series":
            assert all(row["time"].tzinfo for row in rows)
            assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert empty == []


async def test_the_queries_of_the_runbooks_run_as_the_reader(monitored: Monitored) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (FOLDER / "runbooks").iterdir()]
    queries = [query for text in texts for query in re.findall(r"`(SELECT [^`]+)`", text)]
    assert queries
    await monitored.rows(*queries)


_NOW = datetime.now(UTC).replace(microsecond=0)
_MINUTE = _NOW.replace(second=0)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (_MINUTE - timedelta(days=3, hours=2, minutes=7), _MINUTE - timedelta(minutes=2)),
        (_MINUTE - timedelta(hours=30), _MINUTE - timedelta(hours=29, minutes=59)),
        (_MINUTE.replace(minute=0) - timedelta(hours=40), _MINUTE.replace(minute=0) - timedelta(hours=3)),
        (_MINUTE.replace(minute=10) - timedelta(hours=20), _MINUTE.replace(minute=50) - timedelta(hours=20)),
        (_MINUTE.replace(minute=50) - timedelta(hours=20), _MINUTE.replace(minute=10) - timedelta(hours=19)),
    ],
    ids=["days", "a minute", "whole hours", "within an hour", "over one full hour's edge"],
)
@pytest.mark.parametrize("chosen", [_COUNTRIES, ["USA", "France"]], ids=["all", "two"])
async def test_sums_of_a_range_are_those_of_the_rows(
    monitored: Monitored, start: datetime, end: datetime, chosen: list[str]
) -> None:
    shown = Range(start, end, timedelta(minutes=1))
    names = ", ".join(f"'{name}'" for name in chosen)
    of_rows = (
        "SELECT sum(total_amount), count(*) FROM transactions "
        f"WHERE timestamp >= '{start.isoformat()}' AND timestamp < '{end.isoformat()}' "
        f"AND coalesce(country, 'unknown') IN ({names})"
    )
    of_rollups = (sql.REVENUE, sql.ORDERS, sql.REVENUE_BY_CATEGORY)
    asked = [with_macros(query, shown, country=chosen) for query in of_rollups]
    [[(total, count)], [(revenue,)], [(orders,)], categories] = await monitored.rows(of_rows, *asked)
    assert (revenue, orders) == (total, count or None)
    assert sum((row["revenue"] for row in categories), Decimal()) == (total or 0)


def test_rules_are_evaluated_over_what_really_happens(monitored: Monitored) -> None:
    """Three thresholds are set so low that the traffic is above them; nothing else is wrong with the shop."""

    def rules() -> dict[str, dict[str, Any]]:
        groups = monitored.ask("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def states(*names: str) -> set[str]:
        return {rules()[name]["state"] for name in names}

    until(
        lambda: states("DeadLetters", "AnomalyBurst", "Latency") <= {"pending", "firing"},
        "what is above its threshold is not raised",
    )
    # On a busy machine a target may miss a scrape of this second.
    until(
        lambda: states("BatchStale", "BatchMissing", "BatchFailed", "SinkErrors", "TargetDown") == {"inactive"},
        "what is well is raised",
    )
    assert len(rules()) == 13
    assert {name: rule.get("lastError") for name, rule in rules().items() if rule["health"] != "ok"} == {}
