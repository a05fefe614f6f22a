"""Charts of customers: treemap of segments, grid of scores, flows between segments."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import plotly.graph_objects as go

from api.dashboard import formatting
from api.dashboard.charts import draw, label
from api.dashboard.palette import palette

_Rows = Sequence[Mapping[str, Any]]
_SCORES: Final = (1, 2, 3, 4, 5)


def draw_treemap(segments: _Rows) -> None:
    """Draws segments by total value; those without value have no area."""
    shown = [s for s in segments if s["total_value"] > 0]
    hovers = [
        f"{label(s['segment_name'])}<br>{formatting.number(s['customer_count'])} customers<br>"
        f"{formatting.money(s['total_value'])} in all<br>{formatting.money(s['avg_monetary'])} each"
        for s in shown
    ]
    figure = go.Figure(
        go.Treemap(
            labels=[label(s["segment_name"]) for s in shown],
            parents=[""] * len(shown),
            values=[float(s["total_value"]) for s in shown],
            marker={"colors": _shades([s["avg_monetary"] for s in shown]), "cornerradius": 4},
            customdata=hovers,
            hovertemplate="%{customdata}<extra></extra>",
            root_color="rgba(0, 0, 0, 0)",
            texttemplate="<b>%{label}</b><br>%{percentRoot:.1%}",
            tiling={"pad": 3},
        )
    )
    draw(figure, "treemap", "Segments by total value")


def _shades(amounts: Sequence[Decimal]) -> list[str]:
    """Returns a shade for each amount, the strongest for the greatest."""
    greatest = max(amounts, default=Decimal(0)) or Decimal(1)
    shades = palette().shades
    return [shades[round(amount / greatest * (len(shades) - 1))] for amount in amounts]


def _scale() -> list[tuple[float, str]]:
    shades = palette().shades
    return [(n / (len(shades) - 1), shade) for n, shade in enumerate(shades)]


def draw_grid(cells: _Rows) -> None:
    """Draws recency upwards, frequency to the right; every cell with its number of customers."""
    found = {(c["recency_score"], c["frequency_score"]): c for c in cells}
    grid = [[found.get((r, f)) for f in _SCORES] for r in _SCORES]
    figure = go.Figure(
        go.Heatmap(
            x=_SCORES,
            y=_SCORES,
            colorscale=_scale(),
            showscale=False,
            xgap=3,
            ygap=3,
            z=[[cell["customers"] if cell else 0 for cell in row] for row in grid],
            customdata=[[_hover(cell) for cell in row] for row in grid],
            text=[[_text(cell) for cell in row] for row in grid],
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Frequency score", dtick=1, showgrid=False)
    figure.update_yaxes(title="Recency score", dtick=1, showgrid=False)
    draw(figure, "grid", "Customers per recency and frequency score", height=440)


def _text(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    return f"<b>{formatting.number(cell['customers'])}</b><br>{label(cell['segment_name'])}"


def _hover(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "no customers"
    return (
        f"{label(cell['segment_name'])}, R {cell['recency_score']} F {cell['frequency_score']}<br>"
        f"{formatting.number(cell['customers'])} customers<br>{formatting.money(cell['revenue'])}"
    )


def draw_flows(pairs: _Rows) -> None:
    """Draws a ribbon per pair of segments, its width is the number of customers."""
    left = sorted({p["from"] for p in pairs})
    right = sorted({p["to"] for p in pairs})
    colours = palette()
    hovers = [
        f"{label(p['from'])} → {label(p['to'])}<br>{formatting.number(p['customers'])} customers<br>"
        f"{formatting.money(p['revenue'])}"
        for p in pairs
    ]
    figure = go.Figure(
        go.Sankey(
            node={
                "label": [label(name) for name in [*left, *right]],
                "color": colours.current,
                "pad": 14,
                "thickness": 12,
                "line": {"width": 0},
                "hovertemplate": "%{label}<br>%{value} customers<extra></extra>",
            },
            link={
                "source": [left.index(p["from"]) for p in pairs],
                "target": [len(left) + right.index(p["to"]) for p in pairs],
                "value": [p["customers"] for p in pairs],
                "color": colours.ribbon,
                "customdata": hovers,
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            valueformat=",d",
            textfont={"color": colours.text, "size": 12, "shadow": "none"},
        )
    )
    draw(figure, "flows", "Customers who moved between segments", height=460)
