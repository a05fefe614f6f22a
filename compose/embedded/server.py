"""The base of the embedded servers: a port, a process, a start in two steps."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.patience import PATIENCE_SECONDS
from compose.embedded.guard import Guard
from compose.embedded.process import ServerProcess, UnprivilegedUser

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one stack, its guard, and the callback for progress."""

    var_dir: Path
    guard: Guard
    report: Report

    def folder(self, name: str) -> Path:
        """Returns a folder of this stack, created if needed."""
        path = self.var_dir / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        """Returns the empty log file of a server; keeps that of the previous run as `.previous.log`."""
        path = self.folder("logs") / f"{name}.log"
        if path.exists():
            path.replace(path.with_suffix(".previous.log"))
        return path


class EmbeddedServer(ABC):
    """A server on one loopback port; it can be stopped, killed and started again on it."""

    name: str
    #: Its folder in the workspace, and the name of its log.
    place: str
    stop_signal: signal.Signals = signal.SIGTERM
    ready_seconds: float = PATIENCE_SECONDS

    def __init__(self, workspace: Workspace, port: int, user: UnprivilegedUser | None = None) -> None:
        self.port = port
        self._workspace = workspace
        self._process = ServerProcess(self.name, workspace.log(self.place), workspace.guard, self.stop_signal, user)

    @property
    def pid(self) -> int:
        """Process id of the server; raises EmbeddedStackError if it does not run."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.alive

    @property
    def log_path(self) -> Path:
        """The server's log file."""
        return self._process.log_path

    def start(self) -> None:
        """Starts and waits until it answers; raises EmbeddedStackError with the end of its log."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Stops it and waits for its end."""
        self._process.stop()

    def kill(self) -> None:
        """Kills it and its child processes by SIGKILL."""
        self._process.kill()

    @property
    def _folder(self) -> Path:
        return self._workspace.folder(self.place)

    @abstractmethod
    def launch(self) -> None:
        """Starts the process without waiting for answers; creates the data folder on the first start."""

    def wait_ready(self) -> None:
        """Waits until the server answers a client."""
        self._process.wait_until(self._answers, self.ready_seconds)

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client receives an answer now."""
