"""Every generated file of this folder: its path below the folder, and its text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from app.settings import Settings
from grafana.alerts import rule_groups
from grafana.boards import BOARDS
from grafana.monitoring import alertmanager_config, prometheus_config
from grafana.provisioning import dashboard_provider, data_sources

_HEAD = "# Made by `make dashboards` from the defaults, by `python -m grafana` from the settings: change those.\n"


def generated_files(settings: Settings) -> Mapping[str, str]:
    """Texts by relative path, with the thresholds and addresses of the settings."""
    return dict(_files(settings))


def write_files(settings: Settings, folder: Path) -> None:
    """Write all of them below a folder."""
    for name, text in _files(settings):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def as_yaml(content: Mapping[str, Any]) -> str:
    """A configuration file; keys keep their order."""
    return _HEAD + yaml.safe_dump(dict(content), sort_keys=False, width=1000, allow_unicode=True)


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    monitoring = settings.monitoring
    prometheus = prometheus_config(
        workers=monitoring.worker_targets,
        api=monitoring.api_targets,
        alertmanagers=[monitoring.alertmanager],
        scrape_seconds=monitoring.scrape_seconds,
    )
    encoder = JSONEncoder(sort_keys=True, indent=2)
    for name, build in BOARDS.items():
        yield f"dashboards/{name}.json", encoder.encode(build()) + "\n"
    yield "prometheus/prometheus.yml", as_yaml(prometheus)
    yield "prometheus/rules.yml", as_yaml(rule_groups(settings.alert))
    yield "alertmanager/alertmanager.yml", as_yaml(alertmanager_config(settings.alert))
    yield ("provisioning/datasources/globalmart.yml", as_yaml(data_sources(monitoring.scrape_seconds)))
    yield "provisioning/dashboards/globalmart.yml", as_yaml(dashboard_provider())
