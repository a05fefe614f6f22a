"""The filters in the sidebar: one country, some days. They hold on every page, and in the address."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import streamlit as st

from api.dashboard import formatting
from api.dashboard.client import ApiClient
from api.dashboard.errors import DashboardError
from api.dashboard.period import DEFAULT_PRESET, PRESETS, Days

_EVERY: Final = ""
_BETWEEN: Final = "days"
_LABELS: Final = {
    "1d": "Today",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "all": "Everything stored",
    _BETWEEN: "Between two days",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What every page is about; `now` is the time of this run, aware UTC."""

    country: str | None
    days: Days
    now: datetime

    @property
    def query(self) -> dict[str, str | None]:
        """Parameters of the API."""
        return {"country": self.country, **self.days.query}

    @property
    def place(self) -> str:
        """The country in words."""
        return self.country or "all countries"

    def __str__(self) -> str:
        return f"{self.days}, {self.place}"


def choose(client: ApiClient, now: datetime) -> Filters:
    """Show the filters in the sidebar and tell what was chosen."""
    with st.sidebar:
        country = st.selectbox(
            "Country",
            _countries(client),
            format_func=lambda name: name or "All countries",
            key="country",
            bind="query-params",
        )
        period = st.selectbox(
            "Days (UTC)",
            list(_LABELS),
            index=list(_LABELS).index(DEFAULT_PRESET),
            format_func=_LABELS.__getitem__,
            key="period",
            bind="query-params",
        )
        days = Days.preset(period, now.date()) if period in PRESETS else _between(now)
    return Filters(country or None, days, now)


def _countries(client: ApiClient) -> list[str]:
    """Every country that has an order, and the one in the address, whether or not it has."""
    asked = st.query_params.get("country")
    known: Iterable[str] = ()
    try:
        known = client.get("dimensions")["countries"]
    except DashboardError as error:
        st.caption(f"The names of the countries are missing: {formatting.plain(error.what)}.")
    return [_EVERY, *sorted({*known, *([asked] if asked else [])})]


def _between(now: datetime) -> Days:
    month = Days.preset(DEFAULT_PRESET, now.date())
    chosen = st.date_input(
        "First and last day", (month.first, month.last), key=_BETWEEN, bind="query-params", format="YYYY-MM-DD"
    )
    picked = chosen if isinstance(chosen, tuple) else (chosen,)
    if len(picked) == 2:
        return Days(min(picked), max(picked))
    st.caption("Choose the last day, too.")
    return Days(picked[0], picked[0]) if picked else month
