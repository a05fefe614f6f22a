"""Prometheus and Grafana, if they are installed: processes on loopback, their data in the stack's folder.

Grafana's visitors are read-only; its addresses and secrets come from its environment.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.patience import LOOK_SECONDS
from compose.embedded.ports import LOOPBACK, fetch
from compose.embedded.server import EmbeddedServer, Workspace

PROMETHEUS_PORT: Final = 9090
CONFIG_FILE: Final = "prometheus.yml"
GRAFANA_PORT: Final = 3000
_PACKAGED_HOME: Final = Path("/usr/share/grafana")


def find_prometheus() -> Path | None:
    """Returns the program, None if it is not installed."""
    found = shutil.which("prometheus")
    return None if found is None else Path(found)


class PrometheusServer(EmbeddedServer):
    """A server; `files` are its configuration by name, including `prometheus.yml`."""

    name = "Prometheus"
    place = "prometheus"

    def __init__(self, workspace: Workspace, port: int, program: Path, files: Mapping[str, str]) -> None:
        super().__init__(workspace, port)
        self._program = program
        self._files = files

    @property
    def url(self) -> str:
        """URL of its pages and its HTTP API."""
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Writes the configuration and starts the process."""
        for name, text in self._files.items():
            (self._folder / name).write_text(text, encoding="utf-8")
        options = {
            "config.file": self._folder / CONFIG_FILE,
            "storage.tsdb.path": self._folder / "data",
            "web.listen-address": f"{LOOPBACK}:{self.port}",
            "log.level": "warn",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._process.spawn([str(self._program), *arguments], cwd=self._folder)

    def _answers(self) -> bool:
        return fetch(f"{self.url}/-/ready", LOOK_SECONDS) is not None


def find_grafana() -> Path | None:
    """Returns the program, None if it is not installed."""
    found = shutil.which("grafana") or shutil.which("grafana-server")
    return None if found is None else Path(found).resolve()


class GrafanaServer(EmbeddedServer):
    """A server with a provisioning folder; `environ` has the folder's variables."""

    name = "Grafana"
    place = "grafana"

    def __init__(
        self, workspace: Workspace, port: int, program: Path, provisioning: Path, environ: Mapping[str, str]
    ) -> None:
        super().__init__(workspace, port)
        self._program = program
        self._environ = {**environ, **self._configuration(provisioning)}

    @property
    def url(self) -> str:
        """URL of its pages."""
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Starts the process, which creates its data on the first start."""
        command = [str(self._program), *(["server"] if self._program.name == "grafana" else [])]
        self._process.spawn(
            [*command, "--homepath", str(_home(self._program))],
            cwd=self._folder,
            environ={**os.environ, **self._environ},
        )

    def _configuration(self, provisioning: Path) -> dict[str, str]:
        return {
            "GF_SERVER_HTTP_ADDR": LOOPBACK,
            "GF_SERVER_HTTP_PORT": str(self.port),
            "GF_PATHS_DATA": str(self._folder / "data"),
            "GF_PATHS_LOGS": str(self._folder / "logs"),
            "GF_PATHS_PLUGINS": str(self._folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(provisioning),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            # Not printed anywhere: visitors of the demo are read-only.
            "GF_SECURITY_ADMIN_PASSWORD": secrets.token_urlsafe(24),
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        }

    def _answers(self) -> bool:
        return fetch(f"{self.url}/api/health", LOOK_SECONDS) is not None


def _home(program: Path) -> Path:
    """Returns the folder of its web pages and defaults: that of an unpacked archive, else the package's."""
    unpacked = program.parent.parent
    return unpacked if (unpacked / "conf" / "defaults.ini").exists() else _PACKAGED_HOME
