"""The product's own processes in the demo: one worker, one generator, the nightly batch."""

import signal
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError
from app.settings import DemoSettings
from compose.demo.latency import read_metrics
from compose.embedded.ports import choose_port
from compose.embedded.process import ServerProcess
from compose.embedded.stack import EmbeddedStack

_PROJECT: Final = Path(__file__).parents[2]
_WORKER_READY_SECONDS: Final = 120.0


class Children:
    """Starts them in order and notices when one ends before its time."""

    def __init__(self, stack: EmbeddedStack, environ: Mapping[str, str]) -> None:
        self.metrics_port = choose_port(int(environ.get("GLOBALMART_WORKER_METRICS_PORT", "9101")))
        self._environ = {
            **environ,
            "GLOBALMART_WORKER_METRICS_PORT": str(self.metrics_port),
            "PYTHONUNBUFFERED": "1",
        }
        self.worker = stack.child("worker")
        self.generator = stack.child("generator", signal.SIGINT)
        self.history = stack.child("history", signal.SIGINT)
        self.batch = stack.child("batch", signal.SIGINT)

    def start_worker(self) -> None:
        """Start a worker as any Faust user would and wait until its metrics answer."""
        command = ["-m", "faust", "-A", "app.worker", "worker", "-l", "info", "--without-web"]
        self._spawn(self.worker, command)
        self.worker.wait_until(
            lambda: read_metrics(self.metrics_port) is not None, _WORKER_READY_SECONDS
        )

    def start_history(self, settings: DemoSettings) -> None:
        """Start sending the days before today; ends by itself."""
        self._spawn(
            self.history,
            ["-m", "app.cli", "generate", "--backfill", f"{settings.history_days}d",
             "--orders-per-day", str(settings.history_orders_per_day)],
        )  # fmt: skip

    def history_is_sent(self) -> bool:
        """Whether all of it is in Kafka; raises EmbeddedStackError with the log if it failed."""
        code = self.history.exit_code
        if code:
            raise EmbeddedStackError(f"sending the history failed.\n{self.history.log_tail()}")
        return code == 0

    def start_generator(self) -> None:
        """Start live traffic at the rates of the settings."""
        self._spawn(self.generator, ["-m", "app.cli", "generate"])

    def start_batch(self, as_of: date) -> None:
        """Start the nightly batch as its users would; ends by itself."""
        self._spawn(self.batch, ["-m", "app.cli", "batch", "nightly", "--as-of", str(as_of)])

    def check(self) -> None:
        """Raise EmbeddedStackError with the end of its log if the worker or the generator ended."""
        for process in (self.worker, self.generator):
            self._check(process)

    def check_worker(self) -> None:
        """The same for the worker alone, once the generator has been stopped."""
        self._check(self.worker)

    def _check(self, process: ServerProcess) -> None:
        if not process.alive:
            raise EmbeddedStackError(f"the {process.name} ended by itself.\n{process.log_tail()}")

    def _spawn(self, process: ServerProcess, arguments: list[str]) -> None:
        process.spawn([sys.executable, *arguments], cwd=_PROJECT, environ=self._environ)
