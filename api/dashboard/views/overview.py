"""Overview: the figures of the chosen days, compared with the preceding ones, over time, by category and country."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import streamlit as st

from api.dashboard import charts, components, formatting
from api.dashboard.client import Answer
from api.dashboard.page import Page
from api.dashboard.period import Before

_HOURLY_UP_TO_DAYS = 3
_BARS = 10
_STEPS = {
    "sessions": "Sessions",
    "with_view": "Viewed a product",
    "with_cart_add": "Added to cart",
    "with_checkout": "Checked out",
    "converted": "Ordered",
}
_COLUMNS = (
    ("revenue", "Revenue", formatting.money),
    ("transaction_count", "Orders", formatting.number),
    ("avg_order_value", "Average order", formatting.money),
)


def show(page: Page) -> None:
    """Shows the whole page; an error in one part does not affect the others."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        _totals(page)
    with components.explained(page.shown_errors):
        _over_time(page)
    left, right = st.columns(2, gap="medium")
    with left, components.explained(page.shown_errors):
        _by_category(page)
    with right, components.explained(page.shown_errors):
        _by_country(page)
    with components.explained(page.shown_errors):
        _funnel(page)


def _totals(page: Page) -> None:
    chosen = page.filters
    now = page.client.get("sales/metrics", **chosen.query)
    before = chosen.days.before(chosen.now)
    was = None
    if before is not None:
        was = page.client.get("sales/metrics", country=chosen.country, **before.query)
    revenue, orders, average, live = st.columns(4)
    for place, label, field, written in (
        (revenue, "Revenue", "total_revenue", formatting.money),
        (orders, "Orders", "total_transactions", formatting.number),
        (average, "Average order", "avg_order_value", formatting.money),
    ):
        with place:
            delta = formatting.change(now[field], was[field]) if was else None
            components.card(label, written(now[field]), delta)
    with live, components.live():
        st.fragment(run_every=page.refresh_seconds)(_live)(page)
    compared = "" if was is None else _compared(was, before)
    st.caption(f"{_period(page, now)}, as of {formatting.instant(now.given_at)}.{compared}")


def _compared(was: Answer, before: Before | None) -> str:
    if was["total_transactions"]:
        return f" Change against {before}."
    return f" Nothing to compare with: no orders in {before}."


def _period(page: Page, now: Answer) -> str:
    """Returns the days in words; for everything stored those of the API."""
    if page.filters.days.number is not None or now["period"]["start"] is None:
        return f"Orders of {formatting.plain(str(page.filters))}"
    start, end = now["period"]["start"], now["period"]["end"]
    return f"Orders of {start} to {end}, {formatting.plain(page.filters.place)}"


def _live(page: Page) -> None:
    """Shows the revenue of the last minute, read again every few seconds."""
    with components.explained():
        answer = page.client.get("live/revenue")
        country = page.filters.country
        revenue = answer["total_revenue"]
        if country is not None:
            found = [e["revenue"] for e in answer["countries"] if e["country"] == country]
            revenue = found[0] if found else 0
        last = answer["last_event_at"]
        heard = formatting.parsed(last).astimezone(UTC) if last else None
        components.card(
            "Live: last 60 s",
            formatting.money(revenue),
            f"last order {heard:%H:%M:%S} UTC" if heard else "no order yet",
            help=f"Orders with a time in the 60 s up to {answer['as_of']}; it falls to zero when no orders come in.",
            calm=True,
        )


def _over_time(page: Page) -> None:
    number = page.filters.days.number
    unit = "hour" if number is not None and number <= _HOURLY_UP_TO_DAYS else "day"
    answer, groups = _breakdown(page, unit)
    components.section(
        f"Revenue per {unit}",
        f"{formatting.sentence(str(page.filters))} (UTC), as of {formatting.instant(answer.given_at)}.",
    )
    if not groups:
        components.empty("No orders on these days.", _NO_ORDERS)
        return
    charts.draw(
        charts.columns(*([g[f] for g in groups] for f in ("key", "revenue", "transaction_count"))),
        "over time",
        f"Revenue per {unit} of {page.filters}",
    )
    with st.expander("Table"):
        _table(groups, unit, unit.capitalize())


_NO_ORDERS = (
    "Choose other days or another country. If nothing is stored at all, start `globalmart worker` "
    "and send traffic, for example with `globalmart generate`."
)


def _by_category(page: Page) -> None:
    answer, groups = _breakdown(page, "category")
    about = formatting.sentence(str(page.filters))
    components.section("By category", f"{about}, as of {formatting.instant(answer.given_at)}.")
    _ranked(groups, "category", None)


def _by_country(page: Page) -> None:
    """Shows every country, the chosen one in colour."""
    chosen = page.filters.country
    answer = page.client.get("sales/breakdown", group_by="country", **page.filters.days.query)
    coloured = f"; {formatting.plain(chosen)} in colour" if chosen else ""
    about = formatting.sentence(f"{page.filters.days}, all countries")
    components.section("By country", f"{about}{coloured}. As of {formatting.instant(answer.given_at)}.")
    _ranked(answer["groups"], "country", chosen)


def _ranked(groups: Sequence[Mapping[str, Any]], unit: str, chosen: str | None) -> None:
    if not groups:
        components.empty("No orders on these days.", _NO_ORDERS)
        return
    top = groups[:_BARS]
    hovers = [
        f"{charts.label(g['key'])}<br>{formatting.money(g['revenue'])}<br>"
        f"{formatting.number(g['transaction_count'])} orders"
        for g in top
    ]
    names, amounts = [g["key"] for g in top], [g["revenue"] for g in top]
    charts.draw(charts.ranking(names, amounts, hovers, chosen), f"by {unit}", f"Revenue by {unit}")
    with st.expander(f"Table of {len(groups)}"):
        _table(groups, unit, unit.capitalize())


def _funnel(page: Page) -> None:
    answer = page.client.get("funnel", **page.filters.query)
    about = formatting.sentence(f"{page.filters}, sessions up to the end of {answer['as_of']}")
    components.section("From visit to order", f"{about}, from the nightly batch.")
    if not answer["sessions"]:
        components.empty("No sessions on these days.", components.OTHER_FILTERS)
        return
    chart, figures = st.columns([3, 1], gap="medium")
    with chart:
        counts = [(title, answer[field]) for field, title in _STEPS.items()]
        alt = f"Sessions from visit to order, {page.filters}"
        charts.draw(charts.steps(counts), "funnel", alt)
    with figures:
        components.card("Conversion", formatting.percent(answer["conversion_rate"]))
        components.card("Abandoned carts", formatting.percent(answer["abandonment_rate"]))
        components.card("Revenue of sessions", formatting.money(answer["revenue"]))


def _breakdown(page: Page, unit: str) -> tuple[Answer, list[dict[str, Any]]]:
    answer = page.client.get("sales/breakdown", group_by=unit, **page.filters.query)
    return answer, list(answer["groups"])


def _table(groups: Sequence[Mapping[str, Any]], unit: str, heading: str) -> None:
    columns = [components.Column("key", heading, formatting.name)]
    columns += [components.Column(*column) for column in _COLUMNS]
    components.table(groups, columns, f"revenue-by-{unit}.csv", f"by {unit}")
