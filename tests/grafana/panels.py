"""The committed dashboards as Grafana reads them: panels, their queries, and what Grafana puts in for macros."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parents[2] / "grafana"
NAMES: Final = ("business", "fraud", "pipeline", "warehouse")


class Panel(NamedTuple):
    """One panel; `name` is for failure messages."""

    name: str
    content: dict[str, Any]


class Query(NamedTuple):
    """One query of a panel or of a variable; `instant` matters to Prometheus only."""

    name: str
    source: str
    text: str
    instant: bool = True
    shape: str = "table"


class Range(NamedTuple):
    """The time range shown, and the step Grafana would choose."""

    start: datetime
    end: datetime
    step: timedelta


def board(name: str) -> dict[str, Any]:
    """A committed dashboard."""
    content: dict[str, Any] = json.loads((FOLDER / "dashboards" / f"{name}.json").read_text())
    return content


def panels() -> Iterator[Panel]:
    """Every panel that is no row."""
    for name in NAMES:
        for content in board(name)["panels"]:
            if content["type"] != "row":
                yield Panel(f"{name}: {content['title']}", content)


def queries() -> Iterator[Query]:
    """Every query of every panel, and of every variable."""
    for panel in panels():
        for target in panel.content["targets"]:
            yield _query(panel, target)
    for name in NAMES:
        for variable in board(name).get("templating", {}).get("list", []):
            title = f"{name}: variable {variable['name']}"
            yield Query(title, variable["datasource"]["uid"], variable["query"])


def _query(panel: Panel, target: dict[str, Any]) -> Query:
    name = f"{panel.name} {target['refId']}"
    source = panel.content["datasource"]["uid"]
    if "expr" in target:
        return Query(name, source, target["expr"], bool(target.get("instant")))
    return Query(name, source, target["rawSql"], shape=target["format"])


def with_macros(text: str, shown: Range, **variables: list[str]) -> str:
    """The query as Grafana sends it: its macros and the variables put in."""
    seconds = max(int(shown.step.total_seconds()), 1)
    start, end = (f"'{at.isoformat()}'" for at in (shown.start, shown.end))
    span = int((shown.end - shown.start).total_seconds())
    for macro, value in (
        (r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {start} AND {end}"),
        (r"\$__timeFrom\(\)", start),
        (r"\$__timeTo\(\)", end),
        (r"\$__interval_ms", str(seconds * 1000)),
        (r"\$__rate_interval", f"{max(4 * seconds, 4)}s"),
        (r"\$__range", f"{span}s"),
    ):
        text = re.sub(macro, value, text)
    for name, values in variables.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        text = text.replace("${" + name + ":sqlstring}", quoted)
    assert "$" not in text, f"a macro nobody has put in: {text}"
    return text
