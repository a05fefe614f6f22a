"""Defaults of all dashboards: data sources, uids, and panels that require a unit and a description."""

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart, common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders import prometheus as prometheus_query
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphGradientMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
)
from grafana_foundation_sdk.models.dashboard import Panel as BuiltPanel

from app.domain.money import CURRENCY_CODE, PLACES

Panel = Builder[BuiltPanel]
Query = Builder[Dataquery]

PROMETHEUS: Final = DataSourceRef("prometheus", "globalmart-prometheus")
POSTGRES: Final = DataSourceRef("grafana-postgresql-datasource", "globalmart-postgresql")
#: Unit of amounts.
MONEY: Final = f"currency{CURRENCY_CODE}"
_TAG: Final = "globalmart"
_COLUMNS: Final = 24


class SqlQuery(Builder[Dataquery], Dataquery):
    """A query of Grafana's PostgreSQL data source, for which the SDK has no type; it is its own builder."""

    def __init__(self, sql: str, shape: str) -> None:
        self.ref_id = ""
        self._sql = sql.strip()
        self._shape = shape

    def build(self) -> Dataquery:
        """Returns the query."""
        return self

    def to_json(self) -> dict[str, object]:
        """Returns the query in Grafana's form."""
        return {
            "refId": self.ref_id,
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self._shape,
            "rawQuery": True,
            "rawSql": self._sql,
        }


def rows(sql: str) -> Query:
    """Returns a query for a table."""
    return SqlQuery(sql, "table")


def series(sql: str) -> Query:
    """Returns a query for a time series: columns `time`, numbers, and optionally `metric`."""
    return SqlQuery(sql, "time_series")


def over_time(promql: str, legend: str) -> Query:
    """Returns a range query; the legend refers to labels as {{label}}."""
    return prometheus_query.Dataquery().expr(promql).range().legend_format(legend)


def now(promql: str, legend: str = "__auto") -> Query:
    """Returns an instant query at the end of the range."""
    return prometheus_query.Dataquery().expr(promql).instant().legend_format(legend)


def chart(title: str, description: str, unit: str, *queries: Query, width: int = 12) -> Panel:
    """Returns a chart of lines over time; the width is in 24ths of the page."""
    panel = timeseries.Panel().title(title).description(description).unit(unit)
    panel.datasource(_source(queries)).span(width).height(8).interval("15s").min(0)
    panel.fill_opacity(10).gradient_mode(GraphGradientMode.OPACITY)
    panel.show_points(VisibilityMode.AUTO)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.RIGHT)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
    )
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    return panel.targets(_numbered(queries))


def stat_panel(title: str, description: str, unit: str, query: Query, width: int = 6) -> Panel:
    """Returns a panel with one large figure per series."""
    panel = stat.Panel().title(title).description(description).unit(unit)
    panel.datasource(_source([query])).span(width).height(4)
    panel.graph_mode(BigValueGraphMode.NONE)
    if unit == MONEY:
        panel.decimals(PLACES)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return panel.targets(_numbered([query]))


def bar_panel(
    title: str, description: str, unit: str, query: Query, *, width: int = 12, since: str | None = None
) -> Panel:
    """Returns a bar chart with a bar per row, named by the first column; `since` overrides the range, e.g. 15m."""
    panel = barchart.Panel().title(title).description(description).unit(unit)
    panel.datasource(_source([query])).span(width).height(8).min(0)
    panel.orientation(VizOrientation.HORIZONTAL).show_value(VisibilityMode.AUTO)
    panel.legend(common.VizLegendOptions().show_legend(False))
    if since is not None:
        panel.time_from(since)
    return panel.targets(_numbered([query]))


def table_panel(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    units: Mapping[str, str] | None = None,
    width: int = _COLUMNS,
) -> Panel:
    """Returns a table; `unit` is that of its numbers, except for the columns in `units`."""
    panel = table.Panel().title(title).description(description).unit(unit)
    panel.datasource(_source([query])).span(width).height(8).filterable(True)
    for column, own in (units or {}).items():
        panel.override_by_name(column, [DynamicConfigValue("unit", own)])
    return panel.targets(_numbered([query]))


def board(name: str, title: str, description: str, since: str = "now-1h") -> dashboard.Dashboard:
    """Returns an empty dashboard; its uid is made of the name and never changes."""
    made = dashboard.Dashboard(title).uid(f"globalmart-{name}").description(description)
    made.tags([_TAG]).timezone("utc").refresh("10s").time(since, "now").readonly()
    made.tooltip(DashboardCursorSync.CROSSHAIR)
    others = dashboard.DashboardLink("GlobalMart").type(DashboardLinkType.DASHBOARDS)
    return made.link(others.tags([_TAG]).as_dropdown(True).keep_time(True).include_vars(True))


def layout(made: dashboard.Dashboard, panels_by_row: Mapping[str, Sequence[Panel]]) -> Dashboard:
    """Adds the panels under the titles of their rows, numbered in order, and builds the dashboard."""
    for title, panels in panels_by_row.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    for place, panel_or_row in enumerate(built.panels or (), start=1):
        panel_or_row.id_val = place
    return built


def _numbered(queries: Sequence[Query]) -> list[Query]:
    """Names the queries A, B, ... like Grafana."""
    return [_Named(query, letter) for query, letter in zip(queries, "ABCDEFGH", strict=False)]


def _source(queries: Sequence[Query]) -> DataSourceRef:
    return POSTGRES if isinstance(queries[0], SqlQuery) else PROMETHEUS


class _Named(Builder[Dataquery]):
    """A query with its letter."""

    def __init__(self, query: Query, letter: str) -> None:
        self._query = query
        self._letter = letter

    def build(self) -> Dataquery:
        built = self._query.build()
        built.ref_id = self._letter  # type: ignore[attr-defined]
        return built
