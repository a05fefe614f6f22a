"""Charts in one style. Bars and lines are drawn with floats; the texts are exact."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
import streamlit as st

from api.dashboard import formatting
from api.dashboard.serving import AMBER, SERIES, SHADES, TEAL

_CONFIG: Final = {"displayModeBar": False, "displaylogo": False}


def draw(figure: go.Figure, key: str, alt: str, height: int = 320) -> None:
    """Shows a figure; `alt` is the text for screen readers."""
    figure.update_layout(
        showlegend=figure.layout.showlegend or False,
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        hoverlabel={"align": "left"},
        bargap=0.25,
    )
    st.plotly_chart(figure, key=f"{key} chart", config=_CONFIG, alt=alt)


def label(name: str | None) -> str:
    """Returns a name for a chart: escaped, and shortened if it is long."""
    text = formatting.name(name)
    return escape(text if len(text) <= 28 else f"{text[:27]}…", quote=False)


def columns(labels: Sequence[Any], amounts: Sequence[Decimal], orders: Sequence[int]) -> go.Figure:
    """Returns a chart of revenue over time."""
    figure = go.Figure(
        go.Bar(
            x=labels,
            y=_floats(amounts),
            marker_color=TEAL,
            customdata=[(formatting.money(a), formatting.number(n)) for a, n in zip(amounts, orders, strict=True)],
            hovertemplate="%{x}<br>%{customdata[0]}<br>%{customdata[1]} orders<extra></extra>",
        )
    )
    figure.update_yaxes(tickprefix="$", rangemode="tozero")
    if len(labels) == 1:  # an axis of time would show the microseconds around it
        figure.update_xaxes(type="category")
    return figure


def ranking(
    names: Sequence[str | None], amounts: Sequence[Decimal], hovers: Sequence[str], chosen: str | None = None
) -> go.Figure:
    """Returns horizontal bars, the first on top; all except the chosen name are pale."""
    colours = [TEAL if chosen in (None, name) else SHADES[3] for name in names]
    figure = go.Figure(
        go.Bar(
            # Positions, not names: two long names may be shortened to the same text.
            y=list(range(len(names))),
            x=_floats(amounts),
            orientation="h",
            marker_color=colours,
            customdata=list(hovers),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_yaxes(
        autorange="reversed", tickvals=list(range(len(names))), ticktext=[label(name) for name in names]
    )
    figure.update_xaxes(tickprefix="$", rangemode="tozero")
    return figure


def steps(counts: Sequence[tuple[str, int]]) -> go.Figure:
    """Returns a bar per count, from top to bottom, each with its share of the first.

    The bars start at the left, unlike a funnel's: a later step may have more than an earlier one.
    """
    first = counts[0][1]
    figure = go.Figure(
        go.Bar(
            y=[title for title, _ in counts],
            x=[count for _, count in counts],
            orientation="h",
            text=[f"{formatting.number(n)} · {formatting.percent(Decimal(n) / first)}" for _, n in counts],
            textposition="auto",
            marker_color=SHADES[9:4:-1],
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(rangemode="tozero")
    return figure


def line(labels: Sequence[Any], amounts: Sequence[Decimal], hovers: Sequence[str]) -> go.Figure:
    """Returns revenue as a line, each point with its hover text."""
    figure = go.Figure(
        go.Scatter(
            x=labels,
            y=_floats(amounts),
            mode="lines+markers",
            line={"color": TEAL, "width": 2.5},
            marker={"size": 5},
            customdata=list(hovers),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_yaxes(tickprefix="$", rangemode="tozero")
    return figure


def mark(figure: go.Figure, x: Any, amount: Decimal) -> None:
    """Marks a point that is not final yet."""
    figure.add_scatter(
        x=[x],
        y=[float(amount)],
        mode="markers",
        hoverinfo="skip",
        marker={"size": 11, "color": "white", "line": {"color": AMBER, "width": 2.5}},
    )


class Dots(NamedTuple):
    """Amounts of one kind at their times, each with its hover text."""

    kind: str
    times: Sequence[datetime]
    amounts: Sequence[Decimal]
    hovers: Sequence[str]


def dots(kinds: Iterable[Dots]) -> go.Figure:
    """Returns amounts over time, in a colour per kind."""
    figure = go.Figure()
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.15, "x": 0})
    for kind, colour in zip(kinds, SERIES, strict=False):
        figure.add_scatter(
            name=kind.kind,
            x=kind.times,
            y=_floats(kind.amounts),
            mode="markers",
            marker={"size": 8, "opacity": 0.7, "color": colour},
            customdata=kind.hovers,
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_yaxes(tickprefix="$", rangemode="tozero")
    return figure


def _floats(amounts: Sequence[Decimal]) -> list[float]:
    return [float(amount) for amount in amounts]
