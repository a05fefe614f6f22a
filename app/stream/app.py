"""The Faust app as this project runs it: local tables, and a stop that waits for running chunks."""

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
from faust.types.auth import CredentialsT
from faust.types.transports import ConsumerT

from app.kafka.lenient_records import accept_any_header_name
from app.security.kafka import aiokafka_security
from app.settings import KafkaSettings, WorkerSettings
from app.stream.commit_workers import CommitWorkers
from app.stream.local_tables import LocalTable, LocalTableManager
from app.stream.partitions import PartitionManager

logger = logging.getLogger(__name__)

# Faust would wait 90 s for an answer that a killed broker, or one just starting, never gives.
_REQUEST_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 3.0
_COMMIT_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 10.0  # beyond draining
_EXIT_UNCLEAN: Final = 1


class NoWebServer(BootStrategy):
    """Faust's own web server listens on every address, and the command line switches it on by itself."""

    enable_web = False


class GlobalMartApp(faust.App):
    """Drains its commit_workers before partitions are given away."""

    BootStrategy = NoWebServer

    commit_workers: dict[str, CommitWorkers]
    partitions: PartitionManager
    drain_seconds: float
    _start_error: Exception | None = None

    async def _consumer_wait_empty(self, consumer: ConsumerT, logger: Any) -> None:
        """Wait for the chunks that are being committed, then note their ends in Kafka.

        Called on revoke and on stop. A chunk that takes longer is left behind; the ledger decides who commits it.
        """
        running = asyncio.gather(*(commit_workers.idle() for commit_workers in self.commit_workers.values()))
        try:
            await asyncio.wait_for(running, timeout=self.drain_seconds)
        except TimeoutError:
            logger.info("chunks still run after %s s; the ledger will decide", self.drain_seconds)
        noting = asyncio.ensure_future(consumer.commit())
        _, late = await asyncio.wait({noting}, timeout=_COMMIT_SECONDS)
        noting.cancel()
        if late or noting.cancelled() or noting.exception():
            logger.info("Kafka takes no note of the offsets now; the ledger has them")

    async def start(self) -> None:
        """Start everything; what prevents it is logged again as the last line."""
        try:
            await super().start()
        except Exception as error:
            self._start_error = error
            raise

    async def stop(self) -> None:
        """Stop everything; a stop that hangs, as clients of a dead broker can, ends the process hard.

        Nothing is lost by that: what was not committed is done again by the next owner.
        """
        with _ending_hard_after(self.drain_seconds + _STOP_SECONDS):
            await super().stop()
        reason = self.crash_reason or self._start_error
        if reason is not None:
            logger.critical("the worker ended: %s", str(reason) or repr(reason))


@contextmanager
def _ending_hard_after(seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, _end_hard, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_hard(seconds: float) -> None:
    logger.critical("stopping has taken more than %s s; the process ends without a good-bye", seconds)
    os._exit(_EXIT_UNCLEAN)


def create_faust_app(kafka: KafkaSettings, worker: WorkerSettings, var_dir: Path) -> GlobalMartApp:
    """The configured app, without agents; nothing is connected before it is started."""
    accept_any_header_name()
    # Time to hear of a rebalance, drain and note the offsets. All wait for whoever is late, by default for 60 s: the
    # broker answers a request to join once all have come or this is over, and a client that gives up before asks anew.
    rebalance_seconds = kafka.session_timeout_seconds + worker.drain_seconds + _COMMIT_SECONDS + 1.0
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
        Table=LocalTable,
        TableManager=LocalTableManager,
        loghandlers=[],
    )
    app.commit_workers = {}
    app.drain_seconds = worker.drain_seconds
    return app


def _credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """The settings as Faust wants them; None for plain text."""
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
