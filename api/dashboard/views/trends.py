"""Trends: revenue per day, week or month with its growth, from the nightly batch."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, components, formatting
from api.dashboard.page import Page

_MOST: Final = 5000
_KINDS: Final = {"daily": "Days", "weekly": "Weeks", "monthly": "Months"}
_ONE: Final = {"daily": "day", "weekly": "week", "monthly": "month"}
_COLUMNS: Final = (
    components.Column("period", "Period"),
    components.Column("revenue", "Revenue", formatting.money),
    components.Column("transactions", "Orders", formatting.number),
    components.Column("revenue_growth_rate", "Growth", formatting.growth),
    components.Column("partial", "Not over yet", str),
)


def show(page: Page) -> None:
    """Shows periods that begin on the chosen days, of the chosen country."""
    chosen = components.choice(
        "Periods", _KINDS, "trend", default="daily", required=True, bind="query-params", label_visibility="collapsed"
    )
    kind = chosen or "daily"
    page.address.judge_choice("trend", _KINDS.values(), _KINDS[kind])
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        days = page.filters.period.whole_days.query
        country = page.filters.country
        answers = list(page.client.pages("trends", "trends", _MOST, period_type=kind, country=country, **days))
        rows = [row for answer in answers for row in answer["trends"]]
        if rows:
            _show(page, kind, rows, answers[-1]["as_of"])
        else:
            about = f"{page.filters}, as of the end of {answers[-1]['as_of']}"
            components.empty(f"No orders of {formatting.plain(about)}.", components.OTHER_FILTERS)


def _show(page: Page, kind: str, rows: Sequence[Mapping[str, Any]], as_of: str) -> None:
    whole = [row for row in rows if not row["partial"]]
    if whole:
        _newest(kind, whole[-1])
    components.section(
        f"Revenue per {_ONE[kind]}",
        f"{formatting.sentence(str(page.filters))}, as of the end of {as_of}. "
        + ("The ringed period is not over yet. It does not set the scale." if len(whole) < len(rows) else ""),
    )
    hovers = [
        f"{row['period']}<br>{formatting.money(row['revenue'])}<br>"
        f"{formatting.number(row['transactions'])} orders<br>"
        f"growth {formatting.growth(row['revenue_growth_rate'])}"
        for row in rows
    ]
    points = charts.Points([row["period"] for row in rows], [row["revenue"] for row in rows], hovers)
    figure = charts.line(points, [row["partial"] for row in rows])
    figure.update_xaxes(type="category", nticks=12)
    charts.draw(figure, "trend", f"Revenue per {_ONE[kind]} of {page.filters}", height=380)
    components.table(rows[::-1], _COLUMNS, f"sales-trends-{kind}.csv", "trends")


def _newest(kind: str, row: Mapping[str, Any]) -> None:
    components.cards(
        (f"Revenue of {row['period']}", formatting.money(row["revenue"])),
        (f"Orders of {row['period']}", formatting.number(row["transactions"])),
        (f"Growth against the {_ONE[kind]} before", formatting.growth(row["revenue_growth_rate"])),
    )
