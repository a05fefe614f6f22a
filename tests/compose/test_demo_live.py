"""The worker's live figures as the demo reads them, from a page that changes while it is read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread

from compose.demo.figures import read_live_figures, read_settled_live_figures


def _page(second: int, books: float) -> str:
    return (
        f"globalmart_live_window_end_seconds {second}\n"
        f'globalmart_live_revenue_by_category{{category="Books"}} {books}\n'
    )


@contextmanager
def _worker(*pages: str) -> Iterator[int]:
    """A port that serves these pages in turn, the last one for ever."""
    served = chain(pages, repeat(pages[-1]))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(next(served).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            serving.join()


def test_figures_count_once_they_stand_still_on_a_second_after_the_call() -> None:
    past, future = int(time.time()) - 1, int(time.time()) + 60
    stale, torn, settled = _page(past, 1.0), _page(future, 0.5), _page(future, 2.0)
    with _worker(stale, stale, torn, settled) as port:
        found = read_settled_live_figures(port)
    assert found is not None
    assert found.cents["revenue_by_category"] == {"Books": 200}
    assert found.now.timestamp() == future


def test_a_worker_that_does_not_answer_has_no_figures() -> None:
    with _worker(_page(0, 0.0)) as port:
        assert read_live_figures(port) is not None
    assert read_settled_live_figures(port) is None
