"""The figures of a demo: of the stores, of the first minute, of the latency, and of the live tables."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import asyncpg
import psutil
from prometheus_client.parser import text_string_to_metric_families

from app.domain.money import CENTS
from app.domain.quantiles import quantile
from app.kafka.offsets import end_offsets
from app.patience import ANSWER_SECONDS, PATIENCE_SECONDS
from app.reconcile.stream.sales import LiveFigures
from app.settings import KafkaSettings
from app.topics import SOURCE_TOPICS
from compose.embedded.ports import LOOPBACK, fetch

HISTOGRAM: Final = "globalmart_end_to_end_seconds"
_WINDOW_END: Final = "globalmart_live_window_end_seconds"
_PREFIX: Final = "globalmart_live_"
_POLL_SECONDS: Final = 0.2
_TABLES: Final = ("revenue_by_category", "revenue_by_country")


class Pages(Protocol):
    """The API and the dashboard."""

    api_url: str

    def dashboard_answers(self) -> bool:
        """Whether the dashboard answers."""


class FirstFigures:
    """Records when the API first answers with sales and the dashboard answers.

    `seconds` counts from the start of this process, imports included; None until then.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.seconds: float | None = None

    async def check(self) -> None:
        """Checks both, unless they have answered before."""
        if self.seconds is None and await asyncio.to_thread(self._available):
            self.seconds = time.time() - psutil.Process().create_time()

    def _available(self) -> bool:
        return has_sales(self._pages.api_url) and self._pages.dashboard_answers()


def has_sales(api_url: str) -> bool:
    """Whether the API returns any sale."""
    answer = fetch(f"{api_url}/api/v1/sales/metrics", ANSWER_SECONDS)
    return answer is not None and int(json.loads(answer)["total_transactions"]) > 0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the producer's send to PostgreSQL's commit, over `records`; None while nothing was measured."""

    p50: float | None = None
    p99: float | None = None
    records: int = 0


def read_metrics(port: int) -> str | None:
    """Returns the worker's metrics page, None while it does not answer."""
    page = fetch(f"http://{LOOPBACK}:{port}/metrics", ANSWER_SECONDS)
    return None if page is None else page.decode()


def read_latency(page: str, since: Mapping[float, float] | None = None) -> Latency:
    """Returns quantiles of the histogram's counts since the given buckets, over all label sets."""
    since = since or {}
    buckets = {limit: count - since.get(limit, 0.0) for limit, count in read_buckets(page).items()}
    return Latency(quantile(buckets, 0.5), quantile(buckets, 0.99), round(max(buckets.values(), default=0.0)))


def read_buckets(page: str) -> dict[float, float]:
    """Returns the histogram's cumulative counts by upper bound in seconds."""
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(page):
        if family.name == HISTOGRAM:
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    limit = float(sample.labels["le"])
                    buckets[limit] = buckets.get(limit, 0.0) + sample.value
    return buckets


def read_live_figures(port: int) -> LiveFigures | None:
    """Returns cents per table and name at the second of the worker's last update; None if it does not answer."""
    page = read_metrics(port)
    return None if page is None else parse_live_figures(page)


def read_settled_live_figures(port: int) -> LiveFigures | None:
    """Returns the same once two reads agree on a second that began after this call.

    A worker adds a chunk to its tables only after the commit, and updates its gauges one by one, so a single
    read may miss committed records or mix two seconds.
    """
    called, deadline = datetime.now(UTC), time.monotonic() + PATIENCE_SECONDS
    before, found = None, read_live_figures(port)
    while found is not None and time.monotonic() < deadline:
        if found == before and found.now > called:
            break
        time.sleep(_POLL_SECONDS)
        before, found = found, read_live_figures(port)
    return found


def parse_live_figures(page: str) -> LiveFigures:
    """Reads a metrics page; the gauges hold currency units with exact cents below 2**53."""
    cents: dict[str, dict[str, int]] = {table: {} for table in _TABLES}
    now_seconds = 0.0
    for family in text_string_to_metric_families(page):
        if family.name == _WINDOW_END:
            now_seconds = family.samples[0].value
        table = family.name.removeprefix(_PREFIX)
        if family.name.startswith(_PREFIX) and table in cents:
            for sample in family.samples:
                name = next(iter(sample.labels.values()))
                cents[table][name] = round(sample.value * CENTS)
    return LiveFigures(datetime.fromtimestamp(now_seconds, UTC), cents)


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """Counts of one topic over its partitions; `lag` is the number of records not committed yet."""

    produced: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    late: int = 0
    lag: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the whole stream; `at_seconds` is a monotonic clock."""

    topics: Mapping[str, TopicFigures]
    anomalies: Mapping[str, int]
    at_seconds: float

    def total(self, name: str) -> int:
        """Returns a counter summed over all topics."""
        return sum(getattr(topic, name) for topic in self.topics.values())


async def read_figures(kafka: KafkaSettings, connection: asyncpg.Connection) -> Figures:
    """Reads the ledger in PostgreSQL first, then Kafka, so that the lag is never below zero."""
    ledger = await connection.fetch(
        "SELECT topic, partition, next_offset, stored, duplicates, dead_lettered, late FROM stream_progress"
    )
    anomalies = await connection.fetch(
        "SELECT anomaly_type, count(*) AS found FROM transaction_anomalies GROUP BY anomaly_type ORDER BY anomaly_type"
    )
    ends = await asyncio.to_thread(end_offsets, kafka, SOURCE_TOPICS)
    return Figures(
        {topic: _figures(topic, ledger, ends) for topic in SOURCE_TOPICS},
        {row["anomaly_type"]: row["found"] for row in anomalies},
        time.monotonic(),
    )


def _figures(topic: str, ledger: list[asyncpg.Record], ends: Mapping[tuple[str, int], int]) -> TopicFigures:
    rows = {row["partition"]: row for row in ledger if row["topic"] == topic}
    partitions = {partition: end for (name, partition), end in ends.items() if name == topic}
    counts = {
        name: sum(row[name] for row in rows.values()) for name in ("stored", "duplicates", "dead_lettered", "late")
    }
    lag = sum(
        end - (rows[partition]["next_offset"] if partition in rows else 0) for partition, end in partitions.items()
    )
    return TopicFigures(produced=sum(partitions.values()), lag=lag, **counts)
