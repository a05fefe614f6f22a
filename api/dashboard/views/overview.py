"""Overview: the figures of the chosen period, compared with the one before; the last hour live; by time, category and
country."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, components, formatting
from api.dashboard.client import Answer
from api.dashboard.page import Page
from api.dashboard.period import Before, Days

_BARS: Final = 10
_CENT: Final = Decimal("0.01")
_STEPS: Final = {
    "sessions": "Sessions",
    "with_view": "Viewed a product",
    "with_cart_add": "Added to cart",
    "with_checkout": "Checked out",
    "converted": "Ordered",
}
_COLUMNS: Final = (
    ("revenue", "Revenue", formatting.money),
    ("transaction_count", "Orders", formatting.number),
    ("avg_order_value", "Average order", formatting.money),
)


def show(page: Page) -> None:
    """Shows the whole page; an error in one part does not affect the others."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        _totals(page)
    if not page.shown_errors:  # of the same store and the same API; the page tries again as a whole
        with components.live("minutes"):
            st.fragment(run_every=page.refresh_seconds)(_minutes)(page)
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
    before = chosen.period.before(chosen.now)
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
    if page.filters.period != Days() or now["period"]["start"] is None:
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


def _minutes(page: Page) -> None:
    """Shows the last hour by minute, read again every few seconds."""
    with components.explained():
        answer = page.client.get("live/minutes", country=page.filters.country)
        bars = [
            charts.Bar(
                formatting.parsed(each["start"]),
                each["revenue"],
                each["transaction_count"],
                each["partial"],
                each["anomalies"],
            )
            for each in answer["minutes"]
        ]
        orders = sum(bar.orders for bar in bars)
        revenue = formatting.money(sum((bar.revenue for bar in bars), Decimal(0)))
        anomalies = formatting.counted(sum(bar.anomalies for bar in bars), "anomaly", "anomalies")
        components.section(
            "Last 60 minutes",
            f"{formatting.sentence(page.filters.place)}: {formatting.plain(revenue)} of "
            f"{formatting.counted(orders, 'order')}, {anomalies}. "
            f"As of {formatting.shown_time(answer['as_of'])} UTC; the hatched minute is not over.",
        )
        if orders:
            charts.draw(charts.live_minutes(bars), "live minutes", f"Revenue per minute, {page.filters.place}")
        else:
            components.empty("No orders in the last 60 minutes.", _newest(answer["last_event_at"]))


def _newest(last: str | None) -> str:
    if last is None:
        return "Nothing is stored yet: start `globalmart worker` and send traffic."
    return f"The newest order, of any country, is of {formatting.shown_time(last)} UTC."


def _over_time(page: Page) -> None:
    period = page.filters.period
    if not isinstance(period, Days):
        return  # the last hour is above
    unit = period.unit
    answer, groups = _breakdown(page, unit)
    about = f"{formatting.sentence(str(page.filters))} (UTC), as of {formatting.instant(answer.given_at)}."
    if not groups:
        components.section(f"Revenue per {unit}", about)
        components.empty("No orders in this period.", _NO_ORDERS)
        return
    bars = [_bar(group, unit, answer.given_at) for group in groups]
    usual = _usual(page, period, bars) if unit == "hour" else []
    if any(bar.partial for bar in bars):
        about += f" The hatched {unit} is not over and does not set the scale."
    if usual:
        about += " The dotted line is the mean of the same hours of the 7 days before."
    components.section(f"Revenue per {unit}", about)
    charts.draw(charts.over_time(bars, unit, usual), "over time", f"Revenue per {unit} of {page.filters}")
    with st.expander("Table"):
        _table(groups, unit, unit.capitalize())


def _bar(group: Mapping[str, Any], unit: str, now: datetime) -> charts.Bar:
    start = _start_of(group["key"])
    ends = start + (timedelta(days=1) if unit == "day" else timedelta(hours=1))
    return charts.Bar(start, group["revenue"], group["transaction_count"], start <= now < ends)


def _start_of(key: str) -> datetime:
    """Returns the start of a day or an hour as the API writes them."""
    start = formatting.parsed(key)
    return start if start.tzinfo else start.replace(tzinfo=UTC)


def _usual(page: Page, period: Days, bars: Sequence[charts.Bar]) -> list[tuple[datetime, Decimal]]:
    """Returns for every hour of the period the mean revenue of that hour of the day, over the 7 days before.

    Days without any order, as before a shop's first, are no part of the mean.
    """
    week = period.usual
    if week is None or period.first is None or period.last is None:
        return []
    answer = page.client.get("sales/breakdown", group_by="hour", country=page.filters.country, **week.query)
    sums: defaultdict[int, Decimal] = defaultdict(Decimal)
    days = set()
    for group in answer["groups"]:
        start = _start_of(group["key"])
        days.add(start.date())
        sums[start.hour] += group["revenue"]
    if not days:
        return []
    means = [(sums[hour] / len(days)).quantize(_CENT, ROUND_HALF_UP) for hour in range(24)]
    midnight = datetime(period.first.year, period.first.month, period.first.day, tzinfo=UTC)
    hours = 24 * ((period.last - period.first).days + 1)
    return [(midnight + timedelta(hours=n), means[n % 24]) for n in range(hours)]


_NO_ORDERS: Final = (
    "Choose another period or another country. If nothing is stored at all, start `globalmart worker` "
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
    answer = page.client.get("sales/breakdown", group_by="country", **page.filters.period.query)
    coloured = f"; {formatting.plain(chosen)} in colour" if chosen else ""
    about = formatting.sentence(f"{page.filters.period}, all countries")
    components.section("By country", f"{about}{coloured}. As of {formatting.instant(answer.given_at)}.")
    _ranked(answer["groups"], "country", chosen)


def _ranked(groups: Sequence[Mapping[str, Any]], unit: str, chosen: str | None) -> None:
    if not groups:
        st.caption("No orders in this period.")
        return
    top = groups[:_BARS]
    hovers = [
        f"{charts.whole_name(g['key'])}<br>{formatting.money(g['revenue'])}<br>"
        f"{formatting.number(g['transaction_count'])} orders"
        for g in top
    ]
    names, amounts = [g["key"] for g in top], [g["revenue"] for g in top]
    figure = charts.ranking(names, amounts, hovers, chosen)
    charts.draw(figure, f"by {unit}", f"Revenue by {unit}", charts.ranking_height(len(top)))
    if len(groups) > len(top):
        st.caption(f"The {len(top)} of the greatest revenue; all {formatting.number(len(groups))} are in the table.")
    with st.expander(f"Table of {len(groups)}"):
        _table(groups, unit, unit.capitalize())


def _funnel(page: Page) -> None:
    answer = page.client.get("funnel", **page.filters.query)
    about = formatting.sentence(f"{page.filters}, sessions up to the end of {answer['as_of']}")
    components.section("From visit to order", f"{about}, from the nightly batch.")
    if not answer["sessions"]:
        components.empty("No sessions in this period.", components.OTHER_FILTERS)
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
