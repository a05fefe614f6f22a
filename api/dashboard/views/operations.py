"""Operations: how the stream, the batch and the stores are doing, read again every few seconds."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, parts, texts
from api.dashboard.client import Answer
from api.dashboard.faults import StoreDownError
from api.dashboard.page import Page

_BARS: Final = 8
_TOPICS: Final = (
    parts.Column("topic", "Topic"),
    parts.Column("consumed", "Consumed", texts.number),
    parts.Column("stored", "Stored", texts.number),
    parts.Column("duplicates", "Duplicates", texts.number),
    parts.Column("dead_lettered", "Dead letters", texts.number),
    parts.Column("late", "Late", texts.number),
    parts.Column("lost", "Lost", texts.number),
    parts.Column("lag", "Lag", texts.number),
    parts.Column("watermark", "Newest event (UTC)", texts.shown_time),
)
_WORKERS: Final = (
    parts.Column("worker_id", "Worker"),
    parts.Column("lag", "Lag", texts.number),
    parts.Column("p50_seconds", "p50", texts.milliseconds),
    parts.Column("p99_seconds", "p99", texts.milliseconds),
    parts.Column("rss_bytes", "Memory", texts.size),
    parts.Column("started_at", "Started (UTC)", texts.shown_time),
    parts.Column("seen_at", "Heard of (UTC)", texts.shown_time),
)
_RUNS: Final = (
    parts.Column("number", "Run", texts.number),
    parts.Column("job", "Job"),
    parts.Column("as_of", "As of"),
    parts.Column("status", "Status"),
    parts.Column("started", "Started (UTC)", texts.shown_time),
    parts.Column("seconds", "Took", texts.seconds),
    parts.Column("extracted_rows", "Rows read", texts.number),
    parts.Column("error", "Error", texts.word),
)


def show(page: Page) -> None:
    """The whole system; no filter applies."""
    with st.spinner("Asking the API …"), parts.live():
        st.fragment(run_every=page.refresh_seconds)(_figures)(page)


def _figures(page: Page) -> None:
    with parts.explained():
        answer = page.client.get("operations")
        st.caption(
            f"The whole system, whatever is chosen on the left, as of "
            f"{texts.instant(texts.parsed(answer['at']))}; read again every "
            f"{page.refresh_seconds:g} s."
        )
        for store in answer["unavailable"]:
            parts.tell(StoreDownError(store))
        _cards(answer)
        if answer["topics"] is not None:
            _stream(answer["topics"], answer["workers"])
        if answer["batch_runs"] is not None:
            _batch(answer["batch_runs"])
        _sizes(answer["stores"])


def _cards(answer: Answer) -> None:
    workers, latency, disk = answer["workers"], answer["end_to_end"], answer["disk"]
    known = [topic["lag"] for topic in answer["topics"] or () if topic["lag"] is not None]
    lag, quick, number, room = st.columns(4)
    with lag:
        parts.card("Lag, records", texts.number(sum(known) if known else None))
    with quick:
        p50, p99 = (latency and latency[name] for name in ("p50_seconds", "p99_seconds"))
        half = f"p50 {texts.milliseconds(p50)}"
        help = "From the producer's send to the commit, over the events of the last minute"
        parts.card("Latency, p99", texts.milliseconds(p99), half, help, calm=True)
    with number:
        parts.card("Workers", texts.number(None if workers is None else len(workers)))
    with room:
        share = Decimal(disk["free_bytes"]) / disk["total_bytes"]
        free = f"{texts.percent(share)} of {texts.size(disk['total_bytes'])}"
        help = "Of the disk under the data folder of the API's host"
        parts.card("Disk free", texts.size(disk["free_bytes"]), free, help, calm=True)


def _stream(topics: Sequence[Mapping[str, Any]], workers: Sequence[Mapping[str, Any]]) -> None:
    parts.section("Stream", "Consumed = stored + duplicates + dead letters, by the ledger.")
    if topics:
        parts.table(topics, _TOPICS, "topics.csv", "topics")
    if not workers:
        parts.empty("No worker has been heard of in the last 20 s.", "Run `globalmart worker`.")
        return
    rows = [{**w, **w["end_to_end"], "lag": sum(w["lag"].values())} for w in workers]
    parts.table(rows, _WORKERS, "workers.csv", "workers")


def _batch(runs: Sequence[Mapping[str, Any]]) -> None:
    parts.section("Nightly batch", "The newest runs.")
    if not runs:
        parts.empty("No run yet.", "Run `globalmart batch nightly`.")
        return
    rows = [{**run, "seconds": _seconds(run)} for run in runs]
    parts.table(rows, _RUNS, "batch-runs.csv", "runs")


def _seconds(run: Mapping[str, Any]) -> Decimal | None:
    if run["ended"] is None:
        return None
    took = texts.parsed(run["ended"]) - texts.parsed(run["started"])
    return Decimal(round(took.total_seconds() * 10)) / 10


def _sizes(stores: Mapping[str, Any]) -> None:
    postgres, mongo = stores["postgresql"], stores["mongodb"]
    told = {"PostgreSQL": postgres, "MongoDB": mongo}
    sizes = [f"{name} {texts.size(store['bytes'])}" for name, store in told.items() if store]
    parts.section("Storage", f"{', '.join(sizes) or 'Unknown'}. Tables with their indexes:")
    tables = postgres["tables"][:_BARS] if postgres else []
    if tables:
        names = [table["name"] for table in tables]
        hovers = [f"{table['name']}<br>{texts.size(table['bytes'])}" for table in tables]
        figure = charts.ranking(names, [Decimal(t["bytes"]) for t in tables], hovers)
        figure.update_xaxes(tickprefix="", ticksuffix="B", tickformat="~s")
        charts.draw(figure, "sizes", "Sizes of the largest tables", 80 + 28 * len(tables))
