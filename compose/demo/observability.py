"""Starts Prometheus and Grafana for the demo, if they are installed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from app.errors import EmbeddedStackError
from app.settings import Settings
from compose.embedded import monitoring as servers
from compose.embedded.monitoring import CONFIG_FILE
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from grafana.alerts import rule_groups
from grafana.files import as_yaml
from grafana.prometheus_config import RULES_FILE, prometheus_config
from grafana.provisioning import grafana_environment

_SCRAPE_SECONDS: Final = 5
_GRAFANA: Final = Path(__file__).parents[2] / "grafana"


def start_monitoring(
    stack: EmbeddedStack, settings: Settings, workers: Sequence[int], api: Sequence[int] = ()
) -> Table:
    """Starts both for the metrics ports of workers and API; returns a table of their URLs, or of the reasons why not.

    The demo does not depend on them, so a failed start is only reported.
    """
    prometheus, no_prometheus = _started(lambda: start_prometheus(stack, settings, workers, api))
    grafana, no_grafana = None, "needs Prometheus"
    if prometheus is not None:
        grafana, no_grafana = _started(lambda: start_grafana(stack, settings, prometheus))
    table = Table.grid(padding=(0, 2))
    table.add_row("Prometheus", prometheus or escape(no_prometheus))
    table.add_row("Grafana", grafana or escape(no_grafana))
    return table


def _started(start: Callable[[], str | None]) -> tuple[str | None, str]:
    """Returns the URL, or None and the reason."""
    try:
        return start(), "not installed"
    except EmbeddedStackError as error:
        return None, str(error)


def start_prometheus(
    stack: EmbeddedStack,
    settings: Settings,
    workers: Sequence[int],
    api: Sequence[int] = (),
    scrape_seconds: int = _SCRAPE_SECONDS,
) -> str | None:
    """Starts it and returns its URL; None if it is not installed."""
    program = servers.find_prometheus()
    if program is None:
        return None
    # The demo sends no alerts: an Alertmanager of the settings is a real one.
    config = prometheus_config(
        workers=_targets(workers), api=_targets(api), alertmanagers=[], scrape_seconds=scrape_seconds
    )
    files = {CONFIG_FILE: as_yaml(config), RULES_FILE: as_yaml(rule_groups(settings.alert))}
    port = choose_port(servers.PROMETHEUS_PORT)
    server = stack.start_server(lambda workspace: servers.PrometheusServer(workspace, port, program, files))
    return server.url


def start_grafana(stack: EmbeddedStack, settings: Settings, prometheus_url: str) -> str | None:
    """Starts it and returns its URL; None if it is not installed."""
    program = servers.find_grafana()
    if program is None:
        return None
    environ = {
        **grafana_environment(settings),
        "GLOBALMART_MONITORING_PROMETHEUS_URL": prometheus_url,
        "GLOBALMART_MONITORING_DASHBOARDS": str(_GRAFANA / "dashboards"),
    }
    port = choose_port(servers.GRAFANA_PORT)
    server = stack.start_server(
        lambda workspace: servers.GrafanaServer(workspace, port, program, _GRAFANA / "provisioning", environ)
    )
    return server.url


def _targets(ports: Sequence[int]) -> list[str]:
    return [f"{LOOPBACK}:{port}" for port in ports]
