"""Charts in one style. Bars and lines are drawn with floats; the texts are exact."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Final, NamedTuple

import plotly.graph_objects as go
import streamlit as st

from api.dashboard import formatting
from api.dashboard.palette import palette
from app.domain.money import CURRENCY_SYMBOL

_CONFIG: Final = {"displayModeBar": False, "displaylogo": False}
_LEGEND: Final = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
_SHORT_NAME: Final = 36
_LINE_OF_A_NAME: Final = 44
_ROW_PIXELS: Final = 44
#: Space above the highest bar, as a share of it.
_HEADROOM: Final = 1.08
#: A name that is written from right to left does not turn the amount behind it around.
_ISOLATE: Final = "\u2068"
_ISOLATED: Final = "\u2069"
#: Share of its unit of time that a bar covers.
_BAR_WIDTH: Final = 0.8
#: Bars that a chart over time has space for at least.
_FEWEST_PLACES: Final = 7
#: Milliseconds, as Plotly counts on an axis of time.
_UNIT_MS: Final[Mapping[str, int]] = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


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
    return escape(text if len(text) <= _SHORT_NAME else f"{text[: _SHORT_NAME - 1]}…", quote=False)


def whole_name(name: str | None) -> str:
    """Returns a name for a hover text: escaped, and in several lines if it is long."""
    lines = textwrap.wrap(formatting.name(name), _LINE_OF_A_NAME) or [""]
    return "<br>".join(escape(line, quote=False) for line in lines)


class Bar(NamedTuple):
    """Orders of one unit of time, which begins at `start`; `partial` while it is not over."""

    start: datetime
    revenue: Decimal
    orders: int
    partial: bool
    anomalies: int = 0

    def hover(self, unit: str) -> str:
        """Returns the figures in words."""
        written = f"{self.start:%Y-%m-%d}" if unit == "day" else f"{self.start:%Y-%m-%d %H:%M} UTC"
        lines = [
            f"{written}{', so far' if self.partial else ''}",
            formatting.money(self.revenue),
            formatting.counted(self.orders, "order"),
        ]
        if self.anomalies:
            lines.append(formatting.counted(self.anomalies, "anomaly", "anomalies"))
        return "<br>".join(lines)


def over_time(bars: Sequence[Bar], unit: str, usual: Sequence[tuple[datetime, Decimal]] = ()) -> go.Figure:
    """Returns revenue over time, a bar per unit; `usual` is a line to compare with.

    What is not over yet is hatched and does not set the scale: a bar beyond it ends at the edge with its amount.
    """
    figure = go.Figure(_bars(bars, unit))
    heights = [bar.revenue for bar in bars if not bar.partial] + [amount for _, amount in usual]
    if usual:
        _add_usual(figure, usual, unit)
    _money_axis(figure, heights)
    for bar in bars:
        if bar.partial:
            _say_so_far(figure, bar, unit, max(heights, default=bar.revenue))
    figure.update_xaxes(type="date")
    if len(bars) + len(usual) < _FEWEST_PLACES:  # a single bar would be as wide as the page
        first, last = _middle(bars[0].start, unit), _middle(bars[-1].start, unit)
        margin = (_FEWEST_PLACES * _UNIT_MS[unit] - (last - first)) / 2
        figure.update_xaxes(range=[first - margin, last + margin])
    return figure


def live_minutes(bars: Sequence[Bar]) -> go.Figure:
    """Returns revenue per minute with a mark on every minute with anomalies, and the orders in a row below."""
    figure = go.Figure([_bars(bars, "minute"), _anomaly_marks(bars), _orders_per_minute(bars)])
    _money_axis(figure, [bar.revenue for bar in bars])
    most = max((bar.orders for bar in bars), default=0)
    figure.update_layout(
        barmode="overlay",
        showlegend=True,
        legend=_LEGEND,
        # A reader's zoom survives the next reading.
        uirevision="live",
        xaxis={
            "type": "date",
            "range": [bars[0].start.timestamp() * 1000, bars[-1].start.timestamp() * 1000 + _UNIT_MS["minute"]],
            "tickformat": "%H:%M",
            "anchor": "y2",
        },
        yaxis_domain=[0.36, 1],
        yaxis2={
            "domain": [0, 0.26],
            "range": [0, max(most, 1) * _HEADROOM],
            "tickvals": [0, most] if most else [0],
            "tickformat": ",d",
        },
    )
    return figure


def _anomaly_marks(bars: Sequence[Bar]) -> go.Scatter:
    colours = palette()
    marked = [bar for bar in bars if bar.anomalies]
    return go.Scatter(
        name="Anomalies",
        x=[_middle(bar.start, "minute") for bar in marked],
        y=_floats([bar.revenue for bar in marked]),
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 9,
            "color": colours.alert,
            "line": {"color": colours.background, "width": 1},
        },
        hoverinfo="skip",
        cliponaxis=False,
    )


def _orders_per_minute(bars: Sequence[Bar]) -> go.Bar:
    return go.Bar(
        name="Orders",
        x=[_middle(bar.start, "minute") for bar in bars],
        y=[bar.orders for bar in bars],
        width=[_UNIT_MS["minute"] * _BAR_WIDTH] * len(bars),
        yaxis="y2",
        marker={"color": palette().earlier, "opacity": [0.45 if bar.partial else 1 for bar in bars]},
        customdata=[bar.hover("minute") for bar in bars],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _bars(bars: Sequence[Bar], unit: str) -> go.Bar:
    colours = palette()
    return go.Bar(
        name="Revenue",
        x=[_middle(bar.start, unit) for bar in bars],
        y=_floats([bar.revenue for bar in bars]),
        width=[_UNIT_MS[unit] * _BAR_WIDTH] * len(bars),
        marker={
            "color": [colours.pale if bar.partial else colours.current for bar in bars],
            "pattern": {
                "shape": ["/" if bar.partial else "" for bar in bars],
                "fgcolor": colours.current,
                "size": 6,
                "solidity": 0.35,
            },
        },
        customdata=[bar.hover(unit) for bar in bars],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _add_usual(figure: go.Figure, usual: Sequence[tuple[datetime, Decimal]], unit: str) -> None:
    figure.add_scatter(
        name=f"Usual at this {unit}",
        x=[_middle(start, unit) for start, _ in usual],
        y=_floats([amount for _, amount in usual]),
        mode="lines",
        line={"color": palette().alert, "width": 2, "dash": "dot", "shape": "hvh"},
        customdata=[f"{start:%H:%M} UTC<br>usual {formatting.money(amount)}" for start, amount in usual],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.update_layout(showlegend=True, legend=_LEGEND)


def _say_so_far(figure: go.Figure, bar: Bar, unit: str, highest: Decimal) -> None:
    """Writes above a bar that it is not over; left of it, with its amount, where the bar ends at the edge."""
    beyond = bar.revenue > highest
    figure.add_annotation(
        x=_middle(bar.start, unit) - (_UNIT_MS[unit] * _BAR_WIDTH / 2 if beyond else 0),
        y=float(min(bar.revenue, highest)),
        text=f"{formatting.money(bar.revenue)} so far ↗" if beyond else "so far",
        showarrow=False,
        xanchor="right" if beyond else "center",
        yanchor="bottom",
        bgcolor=palette().background,
        opacity=0.9,
        font={"size": 12},
    )


def _money_axis(figure: go.Figure, heights: Iterable[Decimal]) -> None:
    """Sets an axis of money from zero to a little above the highest."""
    highest = max(heights, default=Decimal(0))
    figure.update_layout(yaxis={"tickprefix": CURRENCY_SYMBOL, "rangemode": "tozero"})
    if highest > 0:
        figure.update_layout(yaxis_range=[0, float(highest) * _HEADROOM])


def _middle(start: datetime, unit: str) -> float:
    """Returns where a bar stands: behind the tick of its hour or minute, on the tick of its day."""
    return start.timestamp() * 1000 + (0 if unit == "day" else _UNIT_MS[unit] / 2)


def ranking(
    names: Sequence[str | None],
    amounts: Sequence[Decimal],
    hovers: Sequence[str],
    chosen: str | None = None,
    written: Callable[[Decimal], str] = formatting.money,
) -> go.Figure:
    """Returns horizontal bars under their names and amounts, the first on top; all except the chosen name are pale.

    A name above its bar has the whole width, also on a phone.
    """
    colours = palette()
    places = list(range(len(names)))
    figure = go.Figure(
        go.Bar(
            # Positions, not names: two long names may be shortened to the same text.
            y=places,
            x=_floats(amounts),
            width=0.36,
            orientation="h",
            marker_color=[colours.current if chosen in (None, name) else colours.pale for name in names],
            customdata=list(hovers),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for place, name, amount in zip(places, names, amounts, strict=True):
        figure.add_annotation(
            x=0,
            y=place,
            text=f"{_ISOLATE}{label(name)}{_ISOLATED}  <b>{written(amount)}</b>",
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            xshift=-3,
            yshift=8,
            font={"size": 13},
        )
    figure.update_yaxes(visible=False, range=[len(names) - 0.6, -0.75])
    figure.update_xaxes(visible=False, rangemode="tozero")
    return figure


def ranking_height(number: int) -> int:
    """Returns the pixels a ranking of so many names needs."""
    return 24 + _ROW_PIXELS * number


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
            marker_color=palette().shades[9:4:-1],
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(rangemode="tozero")
    return figure


class Points(NamedTuple):
    """Amounts of periods in their order, each with its hover text."""

    labels: Sequence[str]
    amounts: Sequence[Decimal]
    hovers: Sequence[str]


def line(points: Points, partial: Sequence[bool]) -> go.Figure:
    """Returns revenue as a line; points that are not final are ringed and do not set the scale."""
    colours = palette()
    figure = go.Figure(
        go.Scatter(
            x=points.labels,
            y=_floats(points.amounts),
            mode="lines+markers",
            line={"color": colours.current, "width": 2.5},
            marker={
                "size": [11 if unfinished else 5 for unfinished in partial],
                "color": [colours.background if unfinished else colours.current for unfinished in partial],
                "line": {"color": colours.alert, "width": [2.5 if unfinished else 0 for unfinished in partial]},
                "opacity": 1,
            },
            customdata=list(points.hovers),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _money_axis(figure, [amount for amount, unfinished in zip(points.amounts, partial, strict=True) if not unfinished])
    return figure


class Dots(NamedTuple):
    """Amounts of one kind at their times, each with its hover text."""

    kind: str
    times: Sequence[datetime]
    amounts: Sequence[Decimal]
    hovers: Sequence[str]


def dots(kinds: Iterable[Dots]) -> go.Figure:
    """Returns amounts over time, in a colour per kind."""
    figure = go.Figure()
    figure.update_layout(showlegend=True, legend=_LEGEND)
    for kind, colour in zip(kinds, palette().series, strict=False):
        figure.add_scatter(
            name=kind.kind,
            x=kind.times,
            y=_floats(kind.amounts),
            mode="markers",
            marker={"size": 8, "opacity": 0.7, "color": colour},
            customdata=kind.hovers,
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_yaxes(tickprefix=CURRENCY_SYMBOL, rangemode="tozero")
    return figure


def _floats(amounts: Sequence[Decimal]) -> list[float]:
    return [float(amount) for amount in amounts]
