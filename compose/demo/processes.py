"""The product's processes in the demo: worker, API, dashboard, generator, nightly batch."""

import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError
from app.patience import ANSWER_SECONDS, PATIENCE_SECONDS
from app.settings import ApiSettings, DashboardSettings, DemoSettings
from compose.embedded.ports import LOOPBACK, choose_port, fetch
from compose.embedded.process import ServerProcess
from compose.embedded.stack import EmbeddedStack

_PROJECT: Final = Path(__file__).parents[2]
#: A third of a busy processor: the traffic is watched live, the batch only has to finish before its end.
_BATCH_NICENESS: Final = "5"


class Processes:
    """Starts the processes in order and detects one that ends unexpectedly."""

    def __init__(self, stack: EmbeddedStack, environ: Mapping[str, str]) -> None:
        self.metrics_port = choose_port(int(environ.get("GLOBALMART_WORKER_METRICS_PORT", "9101")))
        self.api_port = choose_port(ApiSettings.read(environ).port)
        self.dashboard_port = choose_port(DashboardSettings.read(environ).port)
        self.api_url = f"http://{LOOPBACK}:{self.api_port}"
        self.dashboard_url = f"http://{LOOPBACK}:{self.dashboard_port}"
        self.environ = {
            **environ,
            "GLOBALMART_WORKER_METRICS_PORT": str(self.metrics_port),
            ApiSettings.variable("port"): str(self.api_port),
            DashboardSettings.variable("port"): str(self.dashboard_port),
            DashboardSettings.variable("api_url"): self.api_url,
            "PYTHONUNBUFFERED": "1",
        }
        self.worker = stack.child("worker")
        self.api = stack.child("api")
        self.dashboard = stack.child("dashboard")
        self.generator = stack.child("generator", signal.SIGINT)
        self.history = stack.child("history", signal.SIGINT)
        self.batch = stack.child("batch", signal.SIGINT)

    def start_services(self) -> None:
        """Starts worker, API and dashboard in parallel, like a user, and waits until all answer."""
        worker = ["-m", "faust", "-A", "app.worker", "worker", "-l", "info", "--without-web"]
        self._spawn(self.worker, worker)
        self._spawn(self.api, ["-m", "app.cli", "api"])
        self._spawn(self.dashboard, ["-m", "app.cli", "dashboard"])
        ready = f"http://{LOOPBACK}:{self.metrics_port}/ready"
        self.worker.wait_until(lambda: fetch(ready, ANSWER_SECONDS) is not None, PATIENCE_SECONDS)
        self.api.wait_until(lambda: fetch(f"{self.api_url}/health", ANSWER_SECONDS) is not None, PATIENCE_SECONDS)
        self.dashboard.wait_until(self.dashboard_answers, PATIENCE_SECONDS)

    def dashboard_answers(self) -> bool:
        """Whether Streamlit reports that it is healthy."""
        return fetch(f"{self.dashboard_url}/_stcore/health", ANSWER_SECONDS) is not None

    def start_history(self, settings: DemoSettings) -> None:
        """Starts sending the days before today; the process ends by itself."""
        days, orders = f"{settings.history_days}d", str(settings.orders_per_day)
        self._spawn(self.history, ["-m", "app.cli", "generate", "--backfill", days, "--orders-per-day", orders])

    def history_is_sent(self) -> bool:
        """Whether the whole history is in Kafka; raises EmbeddedStackError with the log if it failed."""
        code = self.history.exit_code
        if code:
            raise EmbeddedStackError(f"sending the history failed.\n{self.history.log_tail()}")
        return code == 0

    def start_generator(self, options: Sequence[str] = ()) -> None:
        """Starts live traffic at the rates of the settings, unless the options of `generate` say otherwise."""
        self._spawn(self.generator, ["-m", "app.cli", "generate", *options])

    def start_batch(self, as_of: date) -> None:
        """Starts the nightly batch, with lower priority while live traffic runs; the process ends by itself."""
        batch = [sys.executable, "-m", "app.cli", "batch", "nightly", "--as-of", str(as_of)]
        command = ["nice", "-n", _BATCH_NICENESS, *batch] if self.generator.alive else batch
        self.batch.spawn(command, cwd=_PROJECT, environ=self.environ)

    def check(self) -> None:
        """Raises EmbeddedStackError with the end of the log if a service or the generator ended."""
        self._check(self.generator)
        self.check_services()

    def check_services(self) -> None:
        """Checks only worker, API and dashboard, while there is no live traffic."""
        for process in (self.worker, self.api, self.dashboard):
            self._check(process)

    def _check(self, process: ServerProcess) -> None:
        if not process.alive:
            raise EmbeddedStackError(f"the {process.name} ended unexpectedly.\n{process.log_tail()}")

    def _spawn(self, process: ServerProcess, arguments: list[str]) -> None:
        process.spawn([sys.executable, *arguments], cwd=_PROJECT, environ=self.environ)
