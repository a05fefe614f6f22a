"""The filters in the sidebar: one country, one period. They hold on every page, and in the address."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

import streamlit as st

from api.dashboard import formatting
from api.dashboard.address import Address
from api.dashboard.api_errors import DashboardError
from api.dashboard.client import ApiClient
from api.dashboard.period import DEFAULT_PRESET, LAST_HOUR, Days, Hour, Period
from app.domain.names import name_or_unknown
from app.domain.timestamps import TimestampError, parse_date

_EVERY: Final = ""
_EVERY_COUNTRY: Final = "All countries"
_BETWEEN: Final = "days"
_LABELS: Final = {
    LAST_HOUR: "Last hour",
    "1d": "Today",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "all": "Everything stored",
    _BETWEEN: "Between two days",
}
#: The calendar of a browser's picker writes years with four digits.
_FIRST_DAY: Final = date(1000, 1, 1)


@dataclass(frozen=True, slots=True)
class Filters:
    """What every page is about; `now` is the time of this run, aware UTC."""

    country: str | None
    period: Period
    now: datetime

    @property
    def query(self) -> dict[str, str | None]:
        """Parameters of the API."""
        return {"country": self.country, **self.period.query}

    @property
    def place(self) -> str:
        """The country in words."""
        return self.country or "all countries"

    def __str__(self) -> str:
        return f"{self.period}, {self.place}"


class Stored(NamedTuple):
    """Countries with orders and the days of the first and the last; `countries` is None while nobody can say."""

    countries: Sequence[str] | None = None
    days: Sequence[date] = ()


def choose(client: ApiClient, address: Address, now: datetime) -> Filters:
    """Shows the filters in the sidebar and returns what was chosen."""
    with st.sidebar:
        stored = _stored(client)
        country = _country(stored, address)
        chosen = _preset(address)
        if chosen == _BETWEEN:
            return Filters(country, _between(stored, address, now), now)
        _judge_unused_days(address, chosen)
        period = Hour.last(now) if chosen == LAST_HOUR else Days.preset(chosen, now.date())
    return Filters(country, period, now)


def named(chosen: str, known: Sequence[str] | None, kind: str, address: Address) -> str | None:
    """The name to ask the API for, None for all; one that no order has is noted as such. `kind` is its parameter."""
    if not chosen:
        address.judge_choice(kind, [_EVERY], f"All {kind}")
        return None
    name = name_or_unknown(chosen)
    if known is None or name in known:
        address.understood(kind)
    else:
        reason = f"no stored order has this {kind}; names are compared letter by letter"
        address.misread(kind, [chosen], reason, "The page shows what there is of it: nothing.")
    return name


def options(known: Iterable[str], kind: str, address: Address) -> list[str]:
    """All, every name known, and what the address or the choice so far has, whether or not it is known."""
    asked = [*address.values(kind)[-1:], *filter(None, [st.session_state.get(kind)])]
    return [_EVERY, *sorted({*known, *asked})]


def _stored(client: ApiClient) -> Stored:
    try:
        dimensions = client.get("dimensions")
    except DashboardError as error:
        st.caption(f"The names of the countries are missing: {formatting.plain(error.what)}.")
        return Stored()
    days = [dimensions["days"][name] for name in ("first", "last")]
    return Stored(dimensions["countries"], [date.fromisoformat(day) for day in days if day])


def _country(stored: Stored, address: Address) -> str | None:
    chosen = st.selectbox(
        "Country",
        options(stored.countries or (), "country", address),
        format_func=lambda name: name or _EVERY_COUNTRY,
        key="country",
        bind="query-params",
    )
    return named(chosen, stored.countries, "country", address)


def _preset(address: Address) -> str:
    if address.values("days") and not address.values("period"):
        st.session_state.setdefault("period", _BETWEEN)
    period = st.selectbox(
        "Period (UTC)",
        list(_LABELS),
        index=list(_LABELS).index(DEFAULT_PRESET),
        format_func=_LABELS.__getitem__,
        key="period",
        bind="query-params",
    )
    address.judge_choice("period", _LABELS.values(), _LABELS[period])
    return period


def _judge_unused_days(address: Address, period: str) -> None:
    """Days in the address count only with the period that asks for them."""
    shown = f"{_LABELS[period]} is shown instead."
    if values := address.values("days"):
        reason = f"days count only with `period={_LABELS[_BETWEEN]}` or without a period"
        address.misread("days", values, reason, shown)
    else:
        address.understood("days", shown)


def _between(stored: Stored, address: Address, now: datetime) -> Days:
    """Two days; the picker goes from the first to the last day stored, and to what is chosen or asked for."""
    month = Days.preset(DEFAULT_PRESET, now.date())
    assert month.first is not None and month.last is not None
    asked, reason = _asked_days(address.values("days"))
    within = [month.first, month.last, *stored.days, *asked, *st.session_state.get(_BETWEEN, ())]
    chosen = st.date_input(
        "First and last day",
        (month.first, month.last),
        key=_BETWEEN,
        bind="query-params",
        format="YYYY-MM-DD",
        min_value=max(min(within), _FIRST_DAY),
        max_value=max(within),
    )
    picked = chosen if isinstance(chosen, tuple) else (chosen,)
    days = Days(min(picked), max(picked)) if picked else month
    if len(picked) < 2:
        st.caption("Choose the last day, too.")
    shown = f"{days} is shown instead."
    if reason:
        address.misread("days", address.values("days"), reason, shown)
    else:
        address.understood("days", shown)
    return days


def _asked_days(values: Sequence[str]) -> tuple[list[date], str]:
    """The days of an address, and what is wrong with them, if anything is."""
    if len(values) > 2:
        return [], "there may be a first and a last day, no more"
    try:
        days = [parse_date(value) for value in values]
    except TimestampError as error:
        return [], formatting.plain(str(error))
    if any(day < _FIRST_DAY for day in days):
        return [], f"days before {_FIRST_DAY} cannot be chosen"
    return days, ""
