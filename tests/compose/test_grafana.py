"""How Grafana is started, shown with a stand-in: Grafana itself cannot be installed from the package registries."""

import json
import stat
import sys
from pathlib import Path

import pytest

from app.settings import load_settings
from compose.demo.observability import start_grafana
from compose.embedded.stack import EmbeddedStack
from grafana.provisioning import grafana_environment

_STAND_IN = """#!{python}
import json, os, pathlib, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

call = dict(arguments=sys.argv[1:], environ=dict(os.environ))
pathlib.Path("{folder}", "call.json").write_text(json.dumps(call))
address = os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])
HTTPServer(address, Health).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `grafana` on the path that notes how it was called and answers its health check."""
    folder = tmp_path / "unpacked" / "bin"
    folder.mkdir(parents=True)
    program = folder / "grafana"
    program.write_text(_STAND_IN.format(python=sys.executable, folder=tmp_path))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder.parent / "conf").mkdir()
    (folder.parent / "conf" / "defaults.ini").touch()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


def test_it_gets_its_addresses_its_dashboards_and_the_reader(
    stack: EmbeddedStack, tmp_path: Path, stand_in: Path
) -> None:
    settings = load_settings(stack.environment())
    with EmbeddedStack(tmp_path / "var", services=(), preferred_ports=False) as own:
        url = start_grafana(own, settings, "http://127.0.0.1:9")
        call = json.loads((tmp_path / "call.json").read_text())
    environ = call["environ"]
    assert call["arguments"] == ["server", "--homepath", str(stand_in.parent.parent)]
    assert url == f"http://{environ['GF_SERVER_HTTP_ADDR']}:{environ['GF_SERVER_HTTP_PORT']}"
    assert (
        environ.items()
        >= {
            **grafana_environment(settings),
            "GLOBALMART_MONITORING_PROMETHEUS_URL": "http://127.0.0.1:9",
            "GLOBALMART_MONITORING_DASHBOARDS": environ["GLOBALMART_MONITORING_DASHBOARDS"],
        }.items()
    )
    for variable in ("GLOBALMART_MONITORING_DASHBOARDS", "GF_PATHS_PROVISIONING"):
        assert list(Path(environ[variable]).iterdir()) != []
    assert len(environ["GF_SECURITY_ADMIN_PASSWORD"]) >= 24


def test_without_it_there_is_nothing_to_start(stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert start_grafana(stack, load_settings(stack.environment()), "http://127.0.0.1:9") is None
