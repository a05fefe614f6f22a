"""Operations: the state of stream, batch and stores, read again every few seconds."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, components, formatting
from api.dashboard.api_errors import StoreDownError
from api.dashboard.client import Answer
from api.dashboard.page import Page

_BARS: Final = 8
_TOPICS: Final = (
    components.Column("topic", "Topic"),
    components.Column("consumed", "Consumed", formatting.number),
    components.Column("stored", "Stored", formatting.number),
    components.Column("duplicates", "Duplicates", formatting.number),
    components.Column("dead_lettered", "Dead letters", formatting.number),
    components.Column("late", "Late", formatting.number),
    components.Column("lost", "Lost", formatting.number),
    components.Column("lag", "Lag", formatting.number),
    components.Column("watermark", "Newest event (UTC)", formatting.shown_time),
)
_WORKERS: Final = (
    components.Column("worker_id", "Worker"),
    components.Column("lag", "Lag", formatting.number),
    components.Column("p50_seconds", "p50", formatting.milliseconds),
    components.Column("p99_seconds", "p99", formatting.milliseconds),
    components.Column("rss_bytes", "Memory", formatting.size),
    components.Column("started_at", "Started (UTC)", formatting.shown_time),
    components.Column("seen_at", "Last seen (UTC)", formatting.shown_time),
)
_RUNS: Final = (
    components.Column("number", "Run", formatting.number),
    components.Column("job", "Job"),
    components.Column("as_of", "As of"),
    components.Column("status", "Status"),
    components.Column("started", "Started (UTC)", formatting.shown_time),
    components.Column("seconds", "Took", formatting.seconds),
    components.Column("extracted_rows", "Rows read", formatting.number),
    components.Column("error", "Error", formatting.word),
)


def show(page: Page) -> None:
    """Shows the whole system; no filter applies."""
    with st.spinner("Asking the API …"), components.live():
        st.fragment(run_every=page.refresh_seconds)(_figures)(page)


def _figures(page: Page) -> None:
    with components.explained():
        answer = page.client.get("operations")
        st.caption(
            f"The whole system, whatever is chosen on the left, as of "
            f"{formatting.instant(formatting.parsed(answer['at']))}; read again every "
            f"{page.refresh_seconds:g} s."
        )
        for store in answer["unavailable"]:
            components.show_error(StoreDownError(store))
        _cards(answer)
        if answer["topics"] is not None:
            _stream(answer["topics"], answer["workers"])
        if answer["batch_runs"] is not None:
            _batch(answer["batch_runs"])
        _sizes(answer["stores"])


def _cards(answer: Answer) -> None:
    workers, latency, disk = answer["workers"], answer["end_to_end"], answer["disk"]
    known = [topic["lag"] for topic in answer["topics"] or () if topic["lag"] is not None]
    p50, p99 = (latency and latency[name] for name in ("p50_seconds", "p99_seconds"))
    share = Decimal(disk["free_bytes"]) / disk["total_bytes"]
    components.cards(
        ("Lag, records", formatting.number(sum(known) if known else None)),
        (
            "Latency, p99",
            formatting.milliseconds(p99),
            f"p50 {formatting.milliseconds(p50)}",
            "From the producer's send to the commit, over the events of the last minute",
        ),
        ("Workers", formatting.number(None if workers is None else len(workers))),
        (
            "Disk free",
            formatting.size(disk["free_bytes"]),
            f"{formatting.percent(share)} of {formatting.size(disk['total_bytes'])}",
            "Of the disk under the data folder of the API's host",
        ),
    )


def _stream(topics: Sequence[Mapping[str, Any]], workers: Sequence[Mapping[str, Any]]) -> None:
    components.section("Stream", "Consumed = stored + duplicates + dead letters, by the ledger.")
    if topics:
        components.table(topics, _TOPICS, "topics.csv", "topics")
    if not workers:
        components.empty("No worker has sent a heartbeat in the last 20 s.", "Run `globalmart worker`.")
        return
    rows = [{**w, **w["end_to_end"], "lag": sum(w["lag"].values())} for w in workers]
    components.table(rows, _WORKERS, "workers.csv", "workers")


def _batch(runs: Sequence[Mapping[str, Any]]) -> None:
    components.section("Nightly batch", "The newest runs.")
    if not runs:
        components.empty("No run yet.", "Run `globalmart batch nightly`.")
        return
    rows = [{**run, "seconds": _seconds(run)} for run in runs]
    components.table(rows, _RUNS, "batch-runs.csv", "runs")


def _seconds(run: Mapping[str, Any]) -> Decimal | None:
    if run["ended"] is None:
        return None
    took = formatting.parsed(run["ended"]) - formatting.parsed(run["started"])
    return Decimal(round(took.total_seconds() * 10)) / 10


def _sizes(stores: Mapping[str, Any]) -> None:
    postgres, mongo = stores["postgresql"], stores["mongodb"]
    by_name = {"PostgreSQL": postgres, "MongoDB": mongo}
    sizes = [f"{name} {formatting.size(store['bytes'])}" for name, store in by_name.items() if store]
    components.section("Storage", f"{', '.join(sizes) or 'Unknown'}. Tables with their indexes:")
    tables = postgres["tables"][:_BARS] if postgres else []
    if tables:
        names = [table["name"] for table in tables]
        hovers = [f"{table['name']}<br>{formatting.size(table['bytes'])}" for table in tables]
        sizes_of_tables = [Decimal(table["bytes"]) for table in tables]
        figure = charts.ranking(names, sizes_of_tables, hovers, written=lambda size: formatting.size(int(size)))
        charts.draw(figure, "sizes", "Sizes of the largest tables", charts.ranking_height(len(tables)))
