"""The moment the demo has something to show, from an API that fills up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread

from compose.demo.figures import FirstFigures


class _Pages:
    def __init__(self, api_url: str, *, answers: bool) -> None:
        self.api_url = api_url
        self._answers = answers

    def dashboard_answers(self) -> bool:
        return self._answers


@contextmanager
def _api(*orders: int) -> Iterator[str]:
    """The address of an API that tells these numbers of orders in turn, the last one for ever."""
    counts = chain(orders, repeat(orders[-1]))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/v1/sales/metrics" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"total_transactions": next(counts)}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


async def test_the_first_sale_counts_and_the_moment_stays() -> None:
    with _api(0, 1) as url:
        first = FirstFigures(_Pages(url, answers=True))
        await first.check()
        assert first.seconds is None
        await first.check()
        noted = first.seconds
        assert noted is not None and noted > 0
        await first.check()
        assert first.seconds == noted


async def test_a_dashboard_or_an_api_that_does_not_answer_has_no_figures() -> None:
    with _api(1) as url:
        for pages in (_Pages(url, answers=False), _Pages(f"{url}/other", answers=True)):
            first = FirstFigures(pages)
            await first.check()
            assert first.seconds is None
    first = FirstFigures(_Pages(url, answers=True))
    await first.check()
    assert first.seconds is None
