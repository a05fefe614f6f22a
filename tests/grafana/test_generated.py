"""What is committed is what the builders make; panels are complete and name only what exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.settings import Settings, documented_settings
from grafana.files import generated_files, write_files
from grafana.provisioning import data_sources, grafana_environment
from tests.grafana.panels import FOLDER, NAMES, Panel, Query, board, panels, queries
from tests.support.exposed import exposed_series

_PROMETHEUS = "globalmart-prometheus"
_OF_PROMETHEUS = {"up", "ALERTS"}
_WORDS_OF_PROMQL = {
    "sum",
    "min",
    "max",
    "count",
    "rate",
    "increase",
    "histogram_quantile",
    "topk",
    "time",
    "vector",
    "absent",
    "or",
    "unless",
    "offset",
}


def _metrics(promql: str) -> set[str]:
    """Names of series in a query: what is left without labels, ranges, and words of the language."""
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", promql)
    text = re.sub(r"\b(by|on|ignoring|group_left|without)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\boffset \w+", " ", text)
    return set(re.findall(r"\b[a-zA-Z_]\w*", text)) - _WORDS_OF_PROMQL


def _prometheus_queries() -> Iterator[Query]:
    yield from (query for query in queries() if query.source == _PROMETHEUS)
    rules = yaml.safe_load((FOLDER / "prometheus" / "rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield Query(rule["alert"], _PROMETHEUS, rule["expr"])


def test_the_committed_files_are_those_of_the_builders() -> None:
    for name, text in generated_files(Settings({})):
        committed = (FOLDER / name).read_text(encoding="utf-8")
        assert committed == text, f"{name} is stale: run `make dashboards`"


def test_nothing_else_is_committed_with_them() -> None:
    made = {name for name, _ in generated_files(Settings({}))}
    for folder in ("dashboards", "provisioning", "alertmanager"):
        found = {str(p.relative_to(FOLDER)) for p in (FOLDER / folder).rglob("*") if p.is_file()}
        assert found == {name for name in made if name.startswith(f"{folder}/")}


def test_settings_reach_rules_and_addresses(tmp_path: Path) -> None:
    values = {
        "GLOBALMART_ALERT_LAG_RECORDS": "1234",
        "GLOBALMART_ALERT_RUNBOOKS": "https://runbooks.example",
        "GLOBALMART_ALERT_SMTP_USER": "mailer",
        "GLOBALMART_MONITORING_WORKERS": "one:9101, two:9101",
    }
    write_files(Settings(values), tmp_path)
    rules = (tmp_path / "prometheus" / "rules.yml").read_text()
    assert "> 1234" in rules
    assert "https://runbooks.example/StreamLag.md" in rules
    assert "require_tls: true" in (tmp_path / "alertmanager" / "alertmanager.yml").read_text()
    prometheus = (tmp_path / "prometheus" / "prometheus.yml").read_text()
    jobs = yaml.safe_load(prometheus)["scrape_configs"]
    assert jobs[0]["static_configs"] == [{"targets": ["one:9101", "two:9101"]}]


def test_uids_are_fixed_and_panels_numbered() -> None:
    for name in NAMES:
        content = board(name)
        assert content["uid"] == f"globalmart-{name}"
        numbers = [panel["id"] for panel in content["panels"]]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: panel.name)
def test_every_panel_has_a_unit_a_description_and_a_source(panel: Panel) -> None:
    assert panel.content["fieldConfig"]["defaults"]["unit"]
    assert panel.content["description"].endswith(".")
    sources = {source["uid"] for source in data_sources(15)["datasources"]}
    assert panel.content["datasource"]["uid"] in sources
    assert panel.content["targets"]


def test_panels_do_not_overlap_and_stay_on_the_grid() -> None:
    for name in NAMES:
        taken: set[tuple[int, int]] = set()
        for panel in board(name)["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])
            }
            assert place["x"] + place["w"] <= 24, panel["title"]
            assert not cells & taken, panel["title"]
            taken |= cells


def test_panels_and_rules_name_only_metrics_the_program_exposes() -> None:
    known = exposed_series() | _OF_PROMETHEUS
    unknown = {query.name: _metrics(query.text) - known for query in _prometheus_queries()}
    assert {name: names for name, names in unknown.items() if names} == {}


def test_money_is_read_from_postgresql() -> None:
    for panel in panels():
        if panel.content["fieldConfig"]["defaults"]["unit"].startswith("currency"):
            assert panel.content["datasource"]["uid"] == "globalmart-postgresql", panel.name
    for query in queries():
        assert query.source != _PROMETHEUS or "revenue" not in query.text, query.name


def test_provisioning_names_settings_and_nothing_is_secret_in_it() -> None:
    folder = FOLDER / "provisioning"
    texts = [(folder / kind / "globalmart.yml").read_text() for kind in ("datasources", "dashboards")]
    named = set(re.findall(r"\$\{(\w+)\}", "".join(texts)))
    assert named == set(grafana_environment(Settings({})))
    assert named <= {variable for variable, _ in documented_settings()}
    password = yaml.safe_load(texts[0])["datasources"][1]["secureJsonData"]["password"]
    assert password == "${GLOBALMART_POSTGRES_READER_PASSWORD}"
