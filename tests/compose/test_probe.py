"""The containers' health checks, against real servers."""

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from compose.embedded.ports import LOOPBACK
from compose.probe import main


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """/health is there, every other page is not."""
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A small server's address."""
    server = HTTPServer((LOOPBACK, 0), _Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{LOOPBACK}:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_that_answers_is_healthy(address: str) -> None:
    assert main(["http", f"{address}/health"]) == 0


def test_an_error_and_a_closed_port_are_not(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http", f"{address}/broken"]) == 1
    assert "503" in capsys.readouterr().err
    assert main(["http", f"http://{LOOPBACK}:1/"]) == 1
    assert "refused" in capsys.readouterr().err


def test_a_file_that_was_touched_lately(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "account.json"
    assert main(["fresh", str(file), "60"]) == 1
    assert "No such file" in capsys.readouterr().err
    file.touch()
    assert main(["fresh", str(file), "60"]) == 0
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert main(["fresh", str(file), "60"]) == 1
    assert "was not touched for" in capsys.readouterr().err
