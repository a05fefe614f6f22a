"""Customers: segments (RFM), movements since the previous run, and one customer in detail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import components, formatting, rfm_charts
from api.dashboard.api_errors import NotFoundError, StoreDownError
from api.dashboard.client import Answer
from api.dashboard.page import Page

_SEGMENTS: Final = (
    components.Column("segment_name", "Segment"),
    components.Column("customer_count", "Customers", formatting.number),
    components.Column("avg_monetary", "Average value", formatting.money),
    components.Column("avg_frequency", "Average orders", formatting.number),
    components.Column("total_value", "Total value", formatting.money),
)
_MIGRATIONS: Final = (
    components.Column("from", "From"),
    components.Column("to", "To"),
    components.Column("customers", "Customers", formatting.number),
    components.Column("revenue", "Their value", formatting.money),
)

_ORDERS: Final = (
    components.Column("timestamp", "Time (UTC)", formatting.shown_time),
    components.Column("total_amount", "Amount", formatting.money),
    components.Column("category", "Category", formatting.name),
    components.Column("quantity", "Items", formatting.number),
    components.Column("payment_method", "Paid by", formatting.name),
    components.Column("anomalies", "Anomalies", formatting.number),
    components.Column("transaction_id", "Order"),
)


def show(page: Page) -> None:
    """Shows segments and cells of the chosen country, migrations of every country, and one customer."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        answer = page.client.get("customers/segments", country=page.filters.country)
        if answer["segments"]:
            _segments(page, answer)
            _cells(page)
        else:
            about = f"{page.filters.place}, as of {answer['as_of']}"
            components.empty(f"No customers of {formatting.plain(about)}.", "Choose another country.")
    with components.explained(page.shown_errors):
        _migrations(page)
    with components.explained(page.shown_errors):
        _one(page)


def _segments(page: Page, answer: Answer) -> None:
    segments = sorted(answer["segments"], key=lambda segment: -segment["total_value"])
    customers = sum(s["customer_count"] for s in segments)
    value = sum((s["total_value"] for s in segments), Decimal(0))
    best = next((s for s in segments if s["segment_name"] == "Champions"), None)
    components.cards(
        ("Customers", formatting.number(customers)),
        ("Total value", formatting.money(value)),
        ("Share of Champions", formatting.percent(best["total_value"] / value if best and value else None)),
    )
    about = f"{page.filters.place}, all orders up to the end of {answer['as_of']}"
    st.caption(f"{formatting.sentence(about)}; the days chosen on the left do not apply to segments.")
    _note(answer)
    components.section("Segments", "Area: total value. Shade: average value of a customer.")
    rfm_charts.draw_treemap(segments)
    components.table(segments, _SEGMENTS, "customer-segments.csv", "segments")


def _note(answer: Answer) -> None:
    """Say that scores tell nothing apart, where that is so."""
    if answer["note"]:
        st.info(formatting.plain(answer["note"]), icon=":material/info:")


def _cells(page: Page) -> None:
    answer = page.client.get("customers/rfm", country=page.filters.country)
    components.section(
        "Recency and frequency",
        "Customers per pair of scores, 5 is best: bought lately to the top, bought often to the right. "
        f"As of {answer['as_of']}.",
    )
    rfm_charts.draw_grid(answer["cells"])


def _migrations(page: Page) -> None:
    answer = page.client.get("customers/migrations")
    pairs: Sequence[Mapping[str, Any]] = answer["migrations"]
    components.section(
        "Moved since the run before",
        f"Every country, as of {answer['as_of']}. Left: segment before; right: segment now.",
    )
    moved = [pair for pair in pairs if pair["from"] != pair["to"]]
    if not moved:
        components.empty("Nobody moved.", "A second `globalmart batch nightly` compares with the first.")
        return
    rfm_charts.draw_flows(moved)
    stayed = sum(pair["customers"] for pair in pairs if pair["from"] == pair["to"])
    st.caption(f"{formatting.number(stayed)} customers stayed where they were and are not drawn.")
    with st.expander("Table"):
        components.table(pairs, _MIGRATIONS, "segment-migrations.csv", "migrations")


def _one(page: Page) -> None:
    components.section("One customer")
    user = st.text_input(
        "User id", key="customer", bind="query-params", placeholder="for example user42", max_chars=100
    )
    _judge(page, user)
    if not user:
        return
    try:
        found = page.client.one("customers", user)
    except NotFoundError:
        components.empty(
            f"No customer {formatting.plain(user)} up to the last batch.",
            "Ids are compared letter by letter; who bought for the first time today is seen tomorrow.",
        )
        return
    _profile(found)


def _judge(page: Page, user: str) -> None:
    """An id from the address that is too long for one, or one of several, is not shown."""
    instead = f"{formatting.plain(user) or 'Nobody'} is shown instead."
    values = page.address.values("customer")
    if values and values != [user]:
        reason = "an id has up to 100 characters" if len(values) == 1 else "only one can be shown"
        page.address.misread("customer", values, reason, instead)
    else:
        page.address.understood("customer", instead)


def _profile(found: Answer) -> None:
    former = found["previous_segment"]
    components.cards(
        ("Segment", found["segment_name"], former and f"before: {former}"),
        ("Value so far", formatting.money(found["monetary"])),
        ("Orders", formatting.number(found["frequency"])),
        ("Last bought", formatting.days_ago(found["recency"])),
    )
    who = f"{found['user_id']}, {found['country']}, RFM {found['rfm_segment']}"
    st.caption(f"{formatting.plain(who)}, as of the end of {found['as_of']}.")
    _note(found)
    if found["recent_transactions"] is None:
        raise StoreDownError(found["unavailable"][0])
    st.markdown(f"**The newest orders**, as of {formatting.instant(found.given_at)}")
    raised = Counter(each["transaction_id"] for each in found["recent_anomalies"])
    rows = [{**o, "anomalies": raised[o["transaction_id"]]} for o in found["recent_transactions"]]
    components.table(rows, _ORDERS, "newest-orders.csv", "orders")
