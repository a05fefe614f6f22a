"""Anomalies as they are detected: the page reads them again every few seconds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, components, formatting
from api.dashboard.page import Page
from app.domain.anomalies import GUIDE_TITLES

_SHOWN: Final = 200
_TYPES: Final = GUIDE_TITLES
_COLUMNS: Final = (
    components.Column("detected_at", "Detected (UTC)", formatting.shown_time),
    components.Column("anomaly_type", "Type", lambda name: _TYPES.get(name, name)),
    components.Column("user_id", "User"),
    components.Column("amount", "Amount", formatting.money),
    components.Column("anomaly_score", "Score", formatting.number),
    components.Column("description", "Description"),
    components.Column("transaction_id", "Order"),
)


def show(page: Page) -> None:
    """Shows the newest anomalies of the chosen days and country, refreshed periodically."""
    kind = components.choice("Type", _TYPES, "type", bind="query-params", label_visibility="collapsed")
    page.address.judge_choice("type", _TYPES.values(), _TYPES[kind] if kind else "Every type")
    with st.spinner("Asking the API …"), components.live():
        st.fragment(run_every=page.refresh_seconds)(_newest)(page, kind)


def _newest(page: Page, kind: str | None) -> None:
    with components.explained():
        answer = page.client.get("anomalies", anomaly_type=kind, limit=_SHOWN, **page.filters.query)
        found: Sequence[Mapping[str, Any]] = answer["anomalies"]
        more = answer["next_cursor"] is not None
        which = f"the newest {_SHOWN} anomalies" if more else f"{len(found)} anomalies"
        st.caption(
            f"{formatting.sentence(which)}, orders of {formatting.plain(str(page.filters))}, as of "
            f"{formatting.instant(answer.given_at)}; read again every {page.refresh_seconds:g} s."
        )
        if not found:
            components.empty(
                "No anomalies.",
                "No order crossed a threshold (`GLOBALMART_ANOMALY_…`), or nothing has been consumed: "
                "choose another period, or see the page Operations.",
            )
            return
        _show(found)


def _show(found: Sequence[Mapping[str, Any]]) -> None:
    counts = Counter(each["anomaly_type"] for each in found)
    about = "Among those shown below"
    components.cards(*((title, formatting.number(counts[kind]), None, about) for kind, title in _TYPES.items()))
    charts.draw(charts.dots(_dots(found)), "scatter", "Amounts of the anomalies over time", height=280)
    components.table(found, _COLUMNS, "anomalies.csv", "anomalies")


def _dots(found: Sequence[Mapping[str, Any]]) -> Iterator[charts.Dots]:
    for kind, title in _TYPES.items():
        rows = [each for each in found if each["anomaly_type"] == kind]
        yield charts.Dots(
            title,
            [formatting.parsed(each["detected_at"]) for each in rows],
            [each["amount"] for each in rows],
            [f"{title}<br>{formatting.money(each['amount'])}<br>{charts.label(each['user_id'])}" for each in rows],
        )
