"""The embedded Prometheus: on loopback, with what it has seen kept over a kill."""

import json
import urllib.request
from pathlib import Path

import psutil

from compose.embedded.monitoring import CONFIG_FILE, PrometheusServer, find_prometheus
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.support.waiting import PATIENCE_SECONDS, wait_until

_CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ['{address}']}}]
"""


def _first_seen(server: PrometheusServer) -> float | None:
    """Unix time of the oldest sample it knows of itself."""
    query = "min_over_time(timestamp(up)[1h:1s])"
    with urllib.request.urlopen(f"{server.url}/api/v1/query?query={query}", timeout=PATIENCE_SECONDS) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def _wait_for_a_sample(server: PrometheusServer) -> float:
    wait_until(lambda: _first_seen(server) is not None, server.log_path.read_text)
    seen = _first_seen(server)
    assert seen is not None
    return seen


def test_it_answers_on_loopback_alone_and_remembers_over_a_kill(tmp_path: Path) -> None:
    program = find_prometheus()
    assert program is not None, "Prometheus is not installed; see `make packages`"
    port = choose_port()
    files = {CONFIG_FILE: _CONFIG.format(address=f"{LOOPBACK}:{port}")}
    with EmbeddedStack(tmp_path, services=(), preferred_ports=False) as stack:
        server = stack.start_server(lambda workspace: PrometheusServer(workspace, port, program, files))
        seen = _wait_for_a_sample(server)
        process = psutil.Process(server.pid)
        listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening == [(LOOPBACK, port)]
        server.kill()
        server.start()
        assert _wait_for_a_sample(server) <= seen + 1
    assert not process.is_running()
