"""Which server stands for a service of the stack."""

from collections.abc import Callable, Mapping

from app.errors import EmbeddedStackError
from compose.embedded import kafka, mongo, postgres, tansu
from compose.embedded.java import find_java
from compose.embedded.kafka import KafkaServer
from compose.embedded.kafka_jars import ensure_jars
from compose.embedded.mongo import MongoServer
from compose.embedded.ports import choose_port
from compose.embedded.postgres import PostgresServer
from compose.embedded.server import EmbeddedServer, Workspace
from compose.embedded.tansu import TansuServer


def make_server(
    service: str,
    workspace: Workspace,
    passwords: Mapping[str, str],
    *,
    preferred_port: bool,
    allow_memory_broker: bool,
) -> EmbeddedServer:
    """The server of kafka, postgres or mongo, yet to be started, on its usual port or on a free one."""
    makers: dict[str, tuple[int, Callable[[int], EmbeddedServer]]] = {
        "kafka": (kafka.GUIDE_PORT, lambda port: _broker(workspace, port, allow_memory_broker)),
        "postgres": (postgres.GUIDE_PORT, lambda port: PostgresServer(workspace, port, passwords)),
        "mongo": (mongo.GUIDE_PORT, lambda port: MongoServer(workspace, port, passwords)),
    }
    guide_port, make = makers[service]
    return make(choose_port(guide_port if preferred_port else None))


def _broker(
    workspace: Workspace, port: int, allow_memory_broker: bool
) -> KafkaServer | TansuServer:
    """Apache Kafka, or where it cannot be had and that is allowed, a broker in memory."""
    try:
        java = find_java()
        jars = ensure_jars(java, workspace.report)
    except EmbeddedStackError as error:
        if not allow_memory_broker:
            raise
        workspace.report(f"{error}\n{tansu.WARNING}")
        return TansuServer(workspace, port)
    return KafkaServer(workspace, port, java, jars)
