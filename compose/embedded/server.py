"""What the embedded servers have in common: a port, a process, a start in two steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compose.embedded.guard import Guard
from compose.embedded.process import ServerProcess
from compose.patience import PATIENCE_SECONDS

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the servers of one stack live and whom they tell about progress."""

    var_dir: Path
    guard: Guard
    report: Report

    def folder(self, name: str) -> Path:
        """A folder of this stack, made if needed."""
        path = self.var_dir / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        """Log file of a server, empty; the one of the run before is kept beside it."""
        path = self.folder("logs") / f"{name}.log"
        if path.exists():
            path.replace(path.with_suffix(".previous.log"))
        return path


class EmbeddedServer(ABC):
    """A server on one loopback port; it can be stopped, killed and started again on it."""

    name: str
    ready_seconds: float = PATIENCE_SECONDS

    def __init__(self, workspace: Workspace, port: int, process: ServerProcess) -> None:
        self.port = port
        self._workspace = workspace
        self._process = process

    @property
    def pid(self) -> int:
        """Process id of the server; raises EmbeddedStackError when it does not run."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.alive

    @property
    def log_path(self) -> Path:
        """The file the server writes its log to."""
        return self._process.log_path

    def start(self) -> None:
        """Start and wait until it answers; raises EmbeddedStackError with the end of its log."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL it with everything it started."""
        self._process.kill()

    @abstractmethod
    def launch(self) -> None:
        """Start the process without waiting for answers; makes the data folder the first time."""

    def wait_ready(self) -> None:
        """Wait until the server really answers."""
        self._process.wait_until(self._answers, self.ready_seconds)

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client gets an answer now."""
