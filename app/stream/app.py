"""The Faust app as this project runs it: local tables, and a stop that waits for running chunks.

The changelog of the local tables is PostgreSQL. They are declared, listed and monitored like any Faust table, but
write no changelog topic: each write would cost about 250 us and could be stale. Their content is a function of the
rows in PostgreSQL and is rebuilt from there.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import faust
from faust.app.base import BootStrategy
from faust.auth import SASLCredentials, SSLCredentials
from faust.tables import TableManager
from faust.tables.table import Table
from faust.types.auth import CredentialsT
from faust.types.tables import CollectionT
from faust.types.transports import ConsumerT

from app.errors import text_of
from app.kafka.aiokafka_fixes import accept_any_header_name, wait_quietly_for_the_coordinator
from app.security import aiokafka_security
from app.settings import KafkaSettings, WorkerSettings
from app.stream.commit_workers import CommitWorkers
from app.stream.partitions import PartitionManager

logger = logging.getLogger(__name__)
# Faust would wait 90 s for a response that a killed or starting broker never sends.
_REQUEST_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 3.0
_COMMIT_SECONDS: Final = 2.0
_EXIT_UNCLEAN: Final = 1


class LocalTable(Table):
    """A table in this worker's memory."""

    async def on_start(self) -> None:
        """Starts the store; there is no topic to declare."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Notifies the sensors."""
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: Any) -> None:
        """Notifies the sensors."""
        self._sensor_on_del(self, key)


class LocalTableManager(TableManager):
    """Starts tables without subscribing to changelogs."""

    def add(self, table: CollectionT) -> CollectionT:
        """Registers the table by name."""
        if table.name in self:
            raise ValueError(f"table {table.name!r} already exists")
        self[table.name] = table
        return table

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        await asyncio.sleep(0)
        self._tables_registered.set()


class NoWebServer(BootStrategy):
    """Disables Faust's web server: it listens on every address, and the command line enables it by default."""

    enable_web = False


class NoWebSettings(faust.Settings):
    """Disables the web server whatever the options are, so that the banner names no port without a listener."""

    @property
    def web_enabled(self) -> bool:
        """Always false."""
        return False

    @web_enabled.setter
    def web_enabled(self, enabled: bool) -> None:
        """Has no effect."""


class NoWebWorker(faust.Worker):
    """Omits the port from the process title, too."""

    def _proc_ident(self) -> str:
        return f"{self.app.conf.id} {self.app.conf.datadir.absolute()}"


class GlobalMartApp(faust.App):
    """A Faust app that waits for running commits before its partitions are revoked."""

    BootStrategy = NoWebServer
    Settings = NoWebSettings

    commit_workers: dict[str, CommitWorkers]
    partitions: PartitionManager
    drain_seconds: float
    stop_seconds: float
    _start_error: Exception | None = None

    async def _consumer_wait_empty(self, consumer: ConsumerT, logger: Any) -> None:
        """Waits for running commits, then commits their offsets to Kafka.

        Faust calls it on revoke and on stop. A chunk that takes longer is abandoned; the ledger decides who commits it.
        """
        running = asyncio.gather(*(commit_workers.idle() for commit_workers in self.commit_workers.values()))
        try:
            await asyncio.wait_for(running, timeout=self.drain_seconds)
        except TimeoutError:
            logger.info("commits still run after %s s; the ledger decides whether they count", self.drain_seconds)
        committing = asyncio.ensure_future(consumer.commit())
        _, late = await asyncio.wait({committing}, timeout=_commit_seconds(self.drain_seconds))
        committing.cancel()
        if late or committing.cancelled() or committing.exception():
            logger.info("Offset commit to Kafka failed (harmless: offsets are stored in PostgreSQL)")

    async def start(self) -> None:
        """Starts all services; an error is logged again by `stop`, as the last line."""
        try:
            await super().start()
        except Exception as error:
            self._start_error = error
            raise

    async def stop(self) -> None:
        """Stops all services; exits the process if that hangs, as clients of a dead broker can.

        Nothing is lost: the next owner processes again what was not committed.
        """
        with _exit_after(self.drain_seconds + self.stop_seconds):
            await super().stop()
        reason = self.crash_reason or self._start_error
        if reason is not None:
            logger.critical("the worker stopped: %s", text_of(reason))


def _commit_seconds(drain_seconds: float) -> float:
    """Returns the time-out of the offset commit, at least the time the worker waits for chunks."""
    return max(_COMMIT_SECONDS, drain_seconds)


@contextmanager
def _exit_after(seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, _exit, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exit(seconds: float) -> None:
    logger.critical("stopping has taken more than %s s; the process exits at once", seconds)
    os._exit(_EXIT_UNCLEAN)


def create_faust_app(kafka: KafkaSettings, worker: WorkerSettings, var_dir: Path) -> GlobalMartApp:
    """Returns the configured app without agents; nothing connects before it is started."""
    accept_any_header_name()
    wait_quietly_for_the_coordinator()
    # Time to learn of a rebalance, drain and commit the offsets. The broker answers a request to join once all members
    # have joined or this time (60 s by default) is over; a client that gives up earlier would send another request.
    leaving_seconds = worker.drain_seconds + _commit_seconds(worker.drain_seconds)
    rebalance_seconds = kafka.session_timeout_seconds + leaving_seconds + 1.0
    app = GlobalMartApp(
        kafka.group,
        broker=[f"globalmart://{server.strip()}" for server in kafka.bootstrap.split(",")],
        datadir=str(var_dir / "faust"),
        broker_credentials=_credentials(kafka),
        broker_client_id="globalmart-worker",
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        broker_rebalance_timeout=rebalance_seconds,
        broker_request_timeout=max(
            _REQUEST_SECONDS, 2 * kafka.session_timeout_seconds, rebalance_seconds + _ANSWER_SECONDS
        ),
        broker_max_poll_records=kafka.max_poll_records,
        broker_commit_interval=2.0,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=worker.buffer_chunks,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        Worker=NoWebWorker,
        Table=LocalTable,
        TableManager=LocalTableManager,
        loghandlers=[],
    )
    app.commit_workers = {}
    app.drain_seconds = worker.drain_seconds
    app.stop_seconds = worker.stop_seconds
    return app


def _credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """Converts the settings to Faust's form; None for plain text."""
    options = aiokafka_security(kafka)
    context = options.get("ssl_context")
    if kafka.authenticated:
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            ssl_context=context,
            mechanism=options["sasl_mechanism"],
        )
    return SSLCredentials(context) if context is not None else None
