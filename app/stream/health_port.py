"""The worker's HTTP port: `/metrics` for Prometheus, `/health` and `/ready` for the supervisor of the process.

It opens first and answers from a thread, so that it can report a blocked event loop, or what a worker that does not
consume yet waits for.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mode import Service
from mode.utils.logging import get_logger
from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = get_logger(__name__)

#: A loop blocked for so long misses rebalances and heartbeats, too.
BLOCKED_SECONDS: Final = 30.0
_BEAT_SECONDS: Final = 1.0
_PORTS_TRIED: Final = 100


class HealthPort(Service):
    """Serves the first free port from `port` on; `waits_for` returns what the worker waits for before it is ready."""

    abstract = False

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        waits_for: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._host = host
        self._first_port = port
        self._metrics = make_wsgi_app(registry)
        self._waits_for = waits_for
        self._clock = clock
        self._beat = clock()
        self._missing = ""
        self._server: WSGIServer | None = None

    @property
    def address(self) -> str:
        """The URL without a path, with the port that was free."""
        assert self._server is not None, "the port is open once the service has started"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_port}"

    async def on_start(self) -> None:
        """Opens the port; raises OSError when none is free."""
        self._update()
        self._server = self._bound()
        threading.Thread(target=self._server.serve_forever, name="health-port", daemon=True).start()
        logger.info("health on %s/health", self.address)

    async def on_stop(self) -> None:
        """Closes the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @Service.task
    async def _update_regularly(self) -> None:
        async for _ in self.itertimer(_BEAT_SECONDS, name="health_port"):
            self._update()

    def _update(self) -> None:
        self._beat, self._missing = self._clock(), self._waits_for()

    def _bound(self) -> WSGIServer:
        last = self._first_port + _PORTS_TRIED - 1
        for port in range(self._first_port, last + 1):
            try:
                return make_server(self._host, port, self._answer, _server_class(self._host), _SilentHandler)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(f"no free port for metrics and health from {self._first_port} to {last}")

    # --- in the server's threads ---

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environ, start_response)
            return page
        pages = {"/health": self._blocked, "/ready": self._not_ready}
        if path not in pages:
            status, text = HTTPStatus.NOT_FOUND, "there are /metrics, /health and /ready"
        elif problem := pages[path]():
            status, text = HTTPStatus.SERVICE_UNAVAILABLE, problem
        else:
            status, text = HTTPStatus.OK, "ok"
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")],
        )
        return [f"{text}\n".encode()]

    def _blocked(self) -> str:
        seconds = self._clock() - self._beat
        return f"the event loop has not run for {seconds:.0f} s" if seconds > BLOCKED_SECONDS else ""

    def _not_ready(self) -> str:
        return self._blocked() or (f"waiting for {self._missing}" if self._missing else "")


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread: a slow scrape does not delay a probe."""

    daemon_threads = True


class _ThreadingServerV6(_ThreadingServer):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[WSGIServer]:
    family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    return _ThreadingServerV6 if family == socket.AF_INET6 else _ThreadingServer


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: probes come every few seconds."""
