"""Every service of ours in its image, in the order of a first day: what an operator does, and what comes of it."""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from compose.embedded.ports import LOOPBACK
from tests.images.container import Container, Image
from tests.images.report import Report, memory_of
from tests.images.services import Service
from tests.images.stores import Stores

_LAKE: Final = "/var/lib/globalmart"
_HISTORY: Final = ("--backfill", "5d", "--orders-per-day", "400", "--seed", "11")
_LIVE_SECONDS: Final = 15.0
_SETTLED_SECONDS: Final = 900.0
#: Streamlit's own runner over the dashboard's first page, as a browser's session would run it.
_PAGE: Final = """
from streamlit.testing.v1 import AppTest
script = "from api.dashboard.navigation import show; show('overview')"
page = AppTest.from_string(script, default_timeout=900).run()
assert not page.exception, page.exception[0].value
assert page.metric, "the page has no figures"
"""
#: Longer than two of a worker's heartbeats are apart.
_HEARTBEATS_SECONDS: Final = 11.0
_LAG: Final = """
SELECT sum(records::BIGINT) AS lag FROM worker_heartbeats, jsonb_each_text(lag) AS lag_of (topic, records)
WHERE seen_at > CURRENT_TIMESTAMP - INTERVAL '10 s'"""


class FirstDay:
    """The scenes share the servers, the images and the report."""

    def __init__(self, stores: Stores, images: Mapping[str, Image], report: Report) -> None:
        self._stores = stores
        self._images = images
        self._report = report
        self._running = ExitStack()

    def run(self) -> None:
        """All of them, in an order in which each finds what those before it have left."""
        with self._running:
            self._migrate()
            worker = self._start("worker")
            self._history()
            self._generator()
            api = self._api()
            dashboard = self._dashboard()
            self._without_packages(api)
            self._settle()
            batch, maintain = self._missed_night(), self._start("maintain")
            self._hardened(api, batch)
            self._answers_after_the_night()
            self._upkeep(maintain)
            self._recount(worker)
            for container in (dashboard, api, worker):
                self._report.stopped(container)
            self._backup(maintain)
            self._cluster(batch)
            self._report.stopped(maintain)
            self._report.stopped(batch)
            self._night_that_is_stopped()

    def _service(self, name: str) -> Service:
        return self._stores.services[name]

    def _launch(self, service: Service) -> Container:
        container = Container(service, self._images[service.image], self._stores.place)
        self._running.callback(container.close)
        return container

    def _start(self, name: str, **variables: str) -> Container:
        """A long-running service, as soon as its own health check holds."""
        container = self._launch(self._service(name).with_variables(**variables))
        seconds = container.wait_healthy()
        self._report.add(name, "healthy", seconds=round(seconds, 1))
        return container

    def _once(self, service: Service, what: str, code: int = 0) -> Container:
        """A container that ends by itself."""
        container = self._launch(service)
        found = container.wait()
        seconds = round(time.monotonic() - container.started, 1)
        self._report.add(service.name, what, exit_code=found, seconds=seconds, **memory_of(container))
        tail = container.log[-800:]
        self._report.check(found == code, f"{service.name}: {what} ended with {found}: {tail}")
        self._report.check("Traceback" not in tail, f"{service.name}: {what} ends in a traceback")
        return container

    def _migrate(self) -> None:
        for what in ("migrates", "migrates again"):
            self._once(self._service("migrate"), what)

    def _history(self) -> None:
        self._once(self._service("generator").running("globalmart", "generate", *_HISTORY), "history")
        # The stack keeps orders for 400 days, and the file spans 18 months: its oldest are refused by line.
        preset = ("globalmart", "generate", "--preset", "cdnow", "--count", "500", "--shift-to-now", "--skip-bad-rows")
        self._once(self._service("generator").running(*preset), "orders of a file in a package")

    def _generator(self) -> None:
        generator = self._start("generator")
        time.sleep(_LIVE_SECONDS)
        self._report.stopped(generator)

    def _api(self) -> Container:
        api = self._start("api")
        for path in ("/health", "/ready"):
            status, _ = _get(8000, path)
            self._report.check(status == 200, f"api: {path} answers {status}")
        return api

    def _dashboard(self) -> Container:
        dashboard = self._start("dashboard")
        status, page = _get(8501, "/")
        self._report.check(status == 200 and b"<html" in page, f"dashboard: / answers {status}")
        self._report.ran(dashboard, "its page", "python", "-c", _PAGE)
        return dashboard

    def _without_packages(self, api: Container) -> None:
        """What the image of the stream has no packages for says so, and where they are."""
        output = self._report.ran(api, "backup where its packages are not", "globalmart", "backup", "/tmp/b", code=1)
        self._report.check("globalmart-maintain" in output, "api: backup does not say where it works")
        output = self._report.ran(api, "demo in an image", "globalmart", "demo", code=1)
        self._report.check("globalmart[embedded]" in output, "api: demo does not say what is missing")

    def _settle(self) -> None:
        """Until the worker has stored every record."""
        deadline = time.monotonic() + _SETTLED_SECONDS
        time.sleep(_HEARTBEATS_SECONDS)
        while asyncio.run(self._stores.rows(_LAG))[0]["lag"] != 0:
            if time.monotonic() > deadline:
                self._report.check(False, "worker: records are left after the generator ended")
                return
            time.sleep(1)

    def _missed_night(self) -> Container:
        """The timer was stopped over its time: it makes up for the night at its start."""
        self._forget_a_night()
        batch = self._start("batch")
        batch.wait_said("ended with exit code")
        self._report.add("batch", "night", **_ended(batch), **memory_of(batch))
        self._report.check("ended with exit code 0" in batch.log, f"batch: {batch.log[-1500:]}")
        marts = (self._stores.warehouse()["published_run"].find_one() or {}).get("marts", {})
        self._report.check(len(marts) >= 4, f"batch: {len(marts)} marts are published")
        return batch

    def _hardened(self, api: Container, batch: Container) -> None:
        """Who it is, what it may write, and where a program may be started."""
        run_of_tmp = "cp /bin/true /tmp/true && /tmp/true"
        for container, code in ((api, 126), (batch, 0)):
            self._report.ran(container, "starts a program in /tmp", "sh", "-c", run_of_tmp, code=code)
            self._report.ran(container, "writes into its root", "sh", "-c", "echo > /opt/x", code=2)
            output = self._report.ran(
                container, "rights", "sh", "-c", "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status"
            )
            wanted = ["10001", "CapEff:0000000000000000", "CapBnd:0000000000000000", "NoNewPrivs:1"]
            found = ["".join(line.split()) for line in output.splitlines()]
            self._report.check(found == wanted, f"{container.service.name}: its rights are {found}")

    def _answers_after_the_night(self) -> None:
        status, body = _get(8000, "/api/v1/customers/segments")
        self._report.check(status == 200, f"api: segments answer {status}: {body[:300]!r}")

    def _upkeep(self, maintain: Container) -> None:
        self._report.ran(maintain, "maintain --dry-run", "globalmart", "maintain", "--dry-run")
        self._report.ran(maintain, "maintain", "globalmart", "maintain")
        user = asyncio.run(self._stores.rows("SELECT min(user_id) AS id FROM transactions"))[0]["id"]
        self._report.ran(maintain, "erase-user", "globalmart", "erase-user", "-", given=f"{user}\n")
        left = asyncio.run(self._stores.rows(f"SELECT count(*) AS n FROM transactions WHERE user_id = '{user}'"))[0][
            "n"
        ]
        self._report.check(left == 0, f"maintain: {left} orders of the erased user are left")
        day = (datetime.now(UTC) - timedelta(days=1)).date()
        period = ("--from", str(day), "--to", str(day))
        self._report.ran(maintain, "replay", "globalmart", "replay", *period)
        self._report.ran(maintain, "replay --lake", "globalmart", "replay", "--lake", *period)

    def _recount(self, worker: Container) -> None:
        self._report.ran(worker, "reconcile", "globalmart", "reconcile")

    def _backup(self, maintain: Container) -> None:
        """Into the lake's volume, and back into empty databases, compared row for row."""
        self._report.ran(maintain, "backup", "globalmart", "backup", f"{_LAKE}/backups")
        (folder,) = self._backups().iterdir()
        asyncio.run(self._stores.make_database("restored"))
        service = self._service("maintain").with_variables(
            GLOBALMART_POSTGRES_DATABASE="restored", GLOBALMART_MONGO_DATABASE="restored_dw"
        )
        command = ("globalmart", "restore", f"{_LAKE}/backups/{folder.name}")
        output = self._once(service.running(*command), "restore").log
        self._report.check("equal to the backup" in output, "maintain: restored is not what was backed up")

    def _backups(self) -> Path:
        return self._stores.place.volumes["lake"] / "backups"

    def _cluster(self, batch: Container) -> None:
        """The profile `spark`: a night on executors."""
        master, worker = self._start("spark-master"), self._start("spark-worker")
        night = self._service("batch").with_variables(GLOBALMART_BATCH_MASTER="spark://spark-master:7077")
        done = self._once(night.running("globalmart", "batch", "nightly"), "night on the cluster")
        self._report.check("published" in done.log, "batch: the night on the cluster published nothing")
        for container in (worker, master):
            self._report.stopped(container)

    def _night_that_is_stopped(self) -> None:
        """`globalmart down` during a batch: it ends at once, says so in the log of runs, and is begun again."""
        self._forget_a_night()
        batch = self._launch(self._service("batch"))
        batch.wait_said("compute")
        self._report.stopped(batch, "stopped during a night")
        last = self._stores.warehouse()["batch_runs"].find_one(sort=[("started", -1)]) or {}
        self._report.check(last.get("status") == "failed", f"batch: the stopped run is {last.get('status')}")
        again = self._launch(self._service("batch"))
        again.wait_said("extract")
        # Two at once: the second says so, and exits with 75.
        night = self._service("batch").running("globalmart", "batch", "nightly")
        self._once(night, "second night at once", code=75)
        again.wait_said("ended with exit code")
        self._report.add("batch", "begun again", **_ended(again), **memory_of(again))
        self._report.check("ended with exit code 0" in again.log, f"batch: {again.log[-800:]}")
        self._report.stopped(again)

    def _forget_a_night(self) -> None:
        """As if the timer had been stopped over the last two times."""
        folder = self._stores.place.volumes["lake"] / "schedule"
        folder.mkdir(exist_ok=True)
        os.chown(folder, 10001, 10001)
        account = folder / "batch-nightly.json"
        due = datetime.now(UTC) - timedelta(days=3)
        account.write_text(json.dumps({"due": due.isoformat(), "attempts": 1, "ended": True}))
        os.chown(account, 10001, 10001)


def _ended(batch: Container) -> dict[str, Any]:
    """Exit code and seconds, as the timer tells them: `ended with exit code 0 after 41 s`."""
    words = batch.log.rsplit("ended with exit code", 1)[1].split()
    return {"exit_code": int(words[0]), "seconds": int(words[2])}


def _get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
