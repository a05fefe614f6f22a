"""A real Alertmanager tells people by e-mail and by webhook, and keeps quiet what a missing worker explains."""

import json
import socketserver
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml

from app.patience import LOOK_SECONDS
from app.settings import Settings
from compose.embedded.ports import LOOPBACK, choose_port, fetch
from grafana.prometheus_config import alertmanager_config
from tests.support.waiting import PATIENCE_SECONDS, wait_until

Server = TypeVar("Server", bound=socketserver.BaseServer)


class _Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that takes everything; `mails` are recipient and text."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _MailHandler)
        self.mails: list[tuple[str, str]] = []


class _MailHandler(socketserver.StreamRequestHandler):
    server: _Mailbox

    def handle(self) -> None:
        recipient = ""
        self._say("220 mailbox")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].upper()
            if word == "RCPT TO":
                recipient = line
            if word == "DATA":
                self._say("354 go on")
                self.server.mails.append((recipient, self._text()))
            self._say("221 bye" if word == "QUIT" else "250 ok")

    def _text(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        return "\n".join(lines)

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


class _Hook(HTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _HookHandler)
        self.posts: list[dict[str, Any]] = []


class _HookHandler(BaseHTTPRequestHandler):
    server: _Hook

    def do_POST(self) -> None:
        self.server.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _alertmanager(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    url = f"http://{LOOPBACK}:{choose_port()}"
    process = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/data",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: fetch(f"{url}/-/ready", LOOK_SECONDS) is not None)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _post(url: str, *alerts: dict[str, str]) -> None:
    annotations = {"summary": "A process does not answer", "runbook_url": "grafana/runbooks/X.md"}
    body = json.dumps([{"labels": labels, "annotations": annotations} for labels in alerts])
    request = urllib.request.Request(f"{url}/api/v2/alerts", body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
        pass


def _suppressed(url: str) -> set[str]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=PATIENCE_SECONDS) as answer:
        alerts = json.load(answer)
    return {one["labels"]["alertname"] for one in alerts if one["status"]["inhibitedBy"]}


def test_alerts_reach_people_and_what_a_missing_worker_explains_is_quiet(tmp_path: Path) -> None:
    with _serving(_Mailbox()) as mailbox, _serving(_Hook()) as hook:
        settings = Settings(
            {
                "GLOBALMART_ALERT_SMTP": f"{LOOPBACK}:{mailbox.server_address[1]}",
                "GLOBALMART_ALERT_EMAIL_TO": "night@shop.example",
                "GLOBALMART_ALERT_WEBHOOK_URL": f"http://{LOOPBACK}:{hook.server_address[1]}/",
            }
        )
        config = alertmanager_config(settings.alert)
        for route in (config["route"], *config["route"]["routes"]):
            route["group_wait"] = "0s"
        with _alertmanager(tmp_path, config) as url:
            _post(
                url,
                {"alertname": "TargetDown", "job": "globalmart-worker", "severity": "critical"},
                {"alertname": "DiskFull", "job": "globalmart-worker", "severity": "critical"},
                {"alertname": "StreamLag", "topic": "transactions", "severity": "warning"},
            )
            wait_until(lambda: len(mailbox.mails) >= 2 and len(hook.posts) >= 2)
            wait_until(lambda: _suppressed(url) == {"StreamLag"})
    assert {post["groupLabels"]["alertname"] for post in hook.posts} >= {"TargetDown", "DiskFull"}
    assert all("night@shop.example" in recipient for recipient, _ in mailbox.mails)
    assert any("DiskFull" in text for _, text in mailbox.mails)
