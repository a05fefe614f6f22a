"""What charts draw: scales that unfinished bars do not set, names of any length, marks on what is odd."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go
import pytest

from api.dashboard import charts, formatting
from api.dashboard.charts import Bar, Points
from api.dashboard.palette import DARK, LIGHT, Palette

_MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def _bars(unit: timedelta, *amounts: int, partial: bool = True) -> list[Bar]:
    """The last one is not over, unless said."""
    last = len(amounts) - 1
    return [
        Bar(_MIDNIGHT + n * unit, Decimal(amount), 1 + n, partial and n == last, n % 2)
        for n, amount in enumerate(amounts)
    ]


def _top(figure: go.Figure) -> float:
    top: float = figure.layout.yaxis.range[1]
    return top


def _texts(figure: go.Figure) -> list[str]:
    return [each.text for each in figure.layout.annotations]


@pytest.mark.parametrize(("unit", "length"), [("day", timedelta(days=1)), ("hour", timedelta(hours=1))])
def test_what_is_not_over_does_not_set_the_scale(unit: str, length: timedelta) -> None:
    figure = charts.over_time(_bars(length, 100, 120, 90, 5_000), unit)
    assert 120 < _top(figure) < 140
    assert _texts(figure) == ["$5,000.00 so far ↗"]
    assert figure.layout.annotations[0].y <= _top(figure), "Plotly hides what is beyond the axis"
    (bars,) = figure.data
    assert list(bars.marker.pattern.shape) == ["", "", "", "/"]
    assert bars.customdata[3].splitlines()[0].startswith("2026-03-0")
    assert ", so far<br>$5,000.00<br>4 orders" in bars.customdata[3]


def test_what_is_not_over_and_small_is_said_to_be_so() -> None:
    figure = charts.over_time(_bars(timedelta(days=1), 100, 120, 15), "day")
    assert _texts(figure) == ["so far"]
    assert figure.layout.annotations[0].y == 15


def test_whole_days_are_not_hatched() -> None:
    figure = charts.over_time(_bars(timedelta(days=1), 100, 120, partial=False), "day")
    assert (_texts(figure), set(figure.data[0].marker.pattern.shape)) == ([], {""})


@pytest.mark.parametrize("amount", [0, 70])
def test_a_first_day_that_is_not_over_has_a_scale_of_its_own(amount: int) -> None:
    figure = charts.over_time(_bars(timedelta(days=1), amount), "day")
    first, last = figure.layout.xaxis.range
    assert last - first >= 7 * 86_400_000, "one bar is not as wide as the page"
    assert _texts(figure) == ["so far"]


def test_what_is_usual_is_part_of_the_scale() -> None:
    hour = timedelta(hours=1)
    usual = [(_MIDNIGHT + n * hour, Decimal(300 + n)) for n in range(24)]
    figure = charts.over_time(_bars(hour, 100, 50), "hour", usual)
    assert _top(figure) > 323
    assert (figure.data[1].name, len(figure.data[1].x)) == ("Usual at this hour", 24)


def test_minutes_with_anomalies_are_marked_at_their_height() -> None:
    figure = charts.live_minutes(_bars(timedelta(minutes=1), 10, 20, 0, 40))
    revenue, anomalies, orders = figure.data
    assert (anomalies.name, list(anomalies.y)) == ("Anomalies", [20.0, 40.0])
    assert list(anomalies.x) == [revenue.x[1], revenue.x[3]]
    assert (orders.yaxis, list(orders.y)) == ("y2", [1, 2, 3, 4])
    assert "<br>1 anomaly" in revenue.customdata[3]
    assert "so far" in revenue.customdata[3]


def test_sixty_minutes_without_orders_can_be_drawn() -> None:
    figure = charts.live_minutes([Bar(_MIDNIGHT, Decimal(0), 0, partial=True)])
    assert figure.layout.yaxis2.range == (0, 1.08)


def test_periods_that_are_not_over_are_ringed_off_the_scale() -> None:
    points = Points(["2026-01", "2026-02", "2026-03"], [Decimal(5), Decimal(6), Decimal(900)], ["a", "b", "c"])
    figure = charts.line(points, [False, False, True])
    assert 6 < _top(figure) < 7
    assert list(figure.data[0].marker.size) == [5, 5, 11]


def test_a_ranking_keeps_names_of_one_beginning_apart() -> None:
    names = ["x" * 99 + "a", "x" * 99 + "b", None]
    figure = charts.ranking(names, [Decimal(3), Decimal(2), Decimal(1)], ["", "", ""])
    assert len(set(figure.data[0].y)) == 3
    assert [text.split("<b>")[1] for text in _texts(figure)] == ["$3.00</b>", "$2.00</b>", "$1.00</b>"]
    assert "unknown" in _texts(figure)[2]


def test_a_ranking_of_something_else_than_money_says_so() -> None:
    figure = charts.ranking(["orders"], [Decimal(16_000_000)], [""], written=lambda size: formatting.size(int(size)))
    assert _texts(figure)[0].endswith("<b>16.0 MB</b>")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Books & <b>", "Books &amp; &lt;b&gt;"),
        ("word " * 20, "<br>".join(["word " * 8 + "word"] * 2 + ["word word"])),
        (None, "unknown"),
    ],
)
def test_a_hover_has_the_whole_name(name: str | None, shown: str) -> None:
    assert charts.whole_name(name) == shown


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_bars_stand_out_from_their_page(colours: Palette) -> None:
    """At least 3 to 1, as WCAG asks of graphics, and 4.5 to 1 for text."""
    for colour in (colours.current, colours.earlier, colours.alert, *colours.series):
        assert _contrast(colour, colours.background) >= 3.0, colour
    assert _contrast(colours.text, colours.background) >= 4.5


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts: list[Any] = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance: float = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return luminance
