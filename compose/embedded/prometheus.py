"""Prometheus, if it is installed: one process on loopback, its data in the stack's folder."""

import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.patience import LOOK_SECONDS
from compose.embedded.ports import LOOPBACK
from compose.embedded.process import ServerProcess
from compose.embedded.server import EmbeddedServer, Workspace

GUIDE_PORT: Final = 9090
CONFIG_FILE: Final = "prometheus.yml"


def find_prometheus() -> Path | None:
    """Returns the program, None if it is not installed."""
    found = shutil.which("prometheus")
    return None if found is None else Path(found)


class PrometheusServer(EmbeddedServer):
    """A server; `files` are its configuration by name, including `prometheus.yml`."""

    name = "Prometheus"

    def __init__(self, workspace: Workspace, port: int, program: Path, files: Mapping[str, str]) -> None:
        process = ServerProcess(self.name, workspace.log("prometheus"), workspace.guard)
        super().__init__(workspace, port, process)
        self._program = program
        self._files = files
        self._folder = workspace.folder("prometheus")

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
        return answers(f"{self.url}/-/ready")


def answers(url: str) -> bool:
    """Whether the URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=LOOK_SECONDS):
            return True
    except OSError:
        return False
