"""Prometheus and Grafana beside the demo, where they are installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.table import Table

from app.settings import Settings
from compose.embedded import grafana as grafana_server
from compose.embedded import prometheus as prometheus_server
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.prometheus import CONFIG_FILE
from compose.embedded.stack import EmbeddedStack
from grafana.alerts import rule_groups
from grafana.files import as_yaml
from grafana.monitoring import RULES_FILE, prometheus_config
from grafana.provisioning import grafana_environment

_SCRAPE_SECONDS: Final = 5
_GRAFANA: Final = Path(__file__).parents[2] / "grafana"


def start_monitoring(
    stack: EmbeddedStack, settings: Settings, workers: Sequence[int], api: Sequence[int] = ()
) -> Table:
    """Start them over the metrics ports of workers and API; a row each for what runs or is missing."""
    table = Table.grid(padding=(0, 2))
    url = start_prometheus(stack, settings, workers, api)
    table.add_row(
        "Prometheus", *((url, "alerts at /alerts") if url else ("not installed", "no alerts"))
    )
    url = start_grafana(stack, settings, url) if url else None
    table.add_row("Grafana", *((url, "") if url else ("not installed", "no dashboards")))
    return table


def start_prometheus(
    stack: EmbeddedStack, settings: Settings, workers: Sequence[int], api: Sequence[int] = ()
) -> str | None:
    """Its address; None where it is not installed."""
    program = prometheus_server.find_prometheus()
    if program is None:
        return None
    # Nobody is told of the demo's alerts: an Alertmanager of the settings is a real one.
    config = prometheus_config(
        workers=_targets(workers), api=_targets(api), alertmanagers=[],
        scrape_seconds=_SCRAPE_SECONDS,
    )  # fmt: skip
    files = {CONFIG_FILE: as_yaml(config), RULES_FILE: as_yaml(rule_groups(settings.alert))}
    port = choose_port(prometheus_server.GUIDE_PORT)
    server = stack.start_beside(
        lambda workspace: prometheus_server.PrometheusServer(workspace, port, program, files)
    )
    return server.url


def start_grafana(stack: EmbeddedStack, settings: Settings, prometheus_url: str) -> str | None:
    """Its address; None where it is not installed."""
    program = grafana_server.find_grafana()
    if program is None:
        return None
    environ = {
        **grafana_environment(settings),
        "GLOBALMART_MONITORING_PROMETHEUS_URL": prometheus_url,
        "GLOBALMART_MONITORING_DASHBOARDS": str(_GRAFANA / "dashboards"),
    }
    port = choose_port(grafana_server.GUIDE_PORT)
    server = stack.start_beside(
        lambda workspace: grafana_server.GrafanaServer(
            workspace, port, program, _GRAFANA / "provisioning", environ
        )
    )
    return server.url


def _targets(ports: Sequence[int]) -> list[str]:
    return [f"{LOOPBACK}:{port}" for port in ports]
