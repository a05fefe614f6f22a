"""The embedded servers of one data folder as one context manager."""

import shutil
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from app.errors import EmbeddedStackError, JavaMissingError
from app.java import find_java
from compose.embedded import kafka_broker, mongo_server, postgres_server, preflight
from compose.embedded.guard import Guard
from compose.embedded.kafka_broker import BrokerServer, KafkaServer, TansuServer
from compose.embedded.kafka_jars import ensure_jars
from compose.embedded.mongo_server import MongoServer
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.postgres_server import PostgresServer, load_passwords, remove_home
from compose.embedded.process import ServerProcess
from compose.embedded.server import EmbeddedServer, Report, Workspace


def make_server(
    service: str, workspace: Workspace, passwords: Mapping[str, str], *, preferred_port: bool, allow_memory_broker: bool
) -> EmbeddedServer:
    """Creates the server of kafka, postgres or mongo, not started yet, on its usual port or a free one."""
    makers: dict[str, tuple[int, Callable[[int], EmbeddedServer]]] = {
        "kafka": (kafka_broker.GUIDE_PORT, lambda port: _broker(workspace, port, allow_memory_broker)),
        "postgres": (postgres_server.GUIDE_PORT, lambda port: PostgresServer(workspace, port, passwords)),
        "mongo": (mongo_server.GUIDE_PORT, lambda port: MongoServer(workspace, port, passwords)),
    }
    guide_port, make = makers[service]
    return make(choose_port(guide_port if preferred_port else None))


def _broker(workspace: Workspace, port: int, allow_memory_broker: bool) -> BrokerServer:
    """Creates Apache Kafka, or a broker in memory if Kafka cannot be fetched and that is allowed."""
    try:
        java = find_java()
        jars = ensure_jars(java, workspace.report)
    except (EmbeddedStackError, JavaMissingError) as error:
        if not allow_memory_broker:
            raise
        workspace.report(f"{error}\n{kafka_broker.MEMORY_WARNING}")
        return TansuServer(workspace, port)
    return KafkaServer(workspace, port, java, jars)


_PASSWORDS_FILE: Final = "passwords.json"
#: The batch's archive of the embedded PostgreSQL. Not that of the settings, which may have real data.
_LAKE: Final = "embedded-lake"

Server = TypeVar("Server", bound=EmbeddedServer)


class EmbeddedStack:
    """Starts the requested servers on entry and stops them on exit, also after a failed start.

    `services` is any of kafka, postgres, mongo. `fresh` deletes the data of an earlier stack in `var_dir`. With
    `preferred_ports` the usual ports are used if they are free, else others. If Apache Kafka cannot be fetched,
    `allow_memory_broker` allows Tansu instead. If this process is killed, a guard process stops the servers. Raises
    EmbeddedStackError with the fix.
    """

    def __init__(
        self,
        var_dir: Path,
        *,
        services: Collection[str] = preflight.SERVICES,
        fresh: bool = False,
        preferred_ports: bool = True,
        allow_memory_broker: bool = False,
        report: Report = lambda _: None,
    ) -> None:
        self.var_dir = var_dir.absolute()
        self._services = _known(services)
        self._fresh = fresh
        self._preferred_ports = preferred_ports
        self._allow_memory_broker = allow_memory_broker
        self._report = report
        self._cleanup = ExitStack()
        self._servers: dict[str, EmbeddedServer] = {}
        self._passwords: Mapping[str, str] = {}
        self._workspace: Workspace | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def kafka(self) -> BrokerServer:
        """The broker; raises EmbeddedStackError if it was not requested."""
        server = self._server("kafka")
        assert isinstance(server, BrokerServer)
        return server

    @property
    def postgres(self) -> PostgresServer:
        """The PostgreSQL server; raises EmbeddedStackError if it was not requested."""
        server = self._server("postgres")
        assert isinstance(server, PostgresServer)
        return server

    @property
    def mongo(self) -> MongoServer:
        """The server with MongoDB's protocol; raises EmbeddedStackError if it was not requested."""
        server = self._server("mongo")
        assert isinstance(server, MongoServer)
        return server

    def environment(self) -> dict[str, str]:
        """Returns the GLOBALMART_* variables by which a child process uses only these servers."""
        variables = {"GLOBALMART_ENV_FILE": "", "GLOBALMART_VAR_DIR": str(self.var_dir)}
        if "kafka" in self._servers:
            variables["GLOBALMART_KAFKA_BOOTSTRAP"] = self.kafka.bootstrap
            variables["GLOBALMART_KAFKA_REPLICATION"] = "1"
        if "postgres" in self._servers:
            variables |= {
                "GLOBALMART_POSTGRES_HOST": LOOPBACK,
                "GLOBALMART_POSTGRES_PORT": str(self.postgres.port),
                "GLOBALMART_POSTGRES_DATABASE": postgres_server.DATABASE,
                "GLOBALMART_POSTGRES_OWNER_USER": postgres_server.OWNER,
                "GLOBALMART_POSTGRES_OWNER_PASSWORD": self._passwords["postgres_owner"],
                "GLOBALMART_POSTGRES_WORKER_USER": "globalmart_worker",
                "GLOBALMART_POSTGRES_WORKER_PASSWORD": self._passwords["postgres_worker"],
                "GLOBALMART_POSTGRES_READER_USER": "globalmart_reader",
                "GLOBALMART_POSTGRES_READER_PASSWORD": self._passwords["postgres_reader"],
                "GLOBALMART_POSTGRES_DESK_USER": "globalmart_desk",
                "GLOBALMART_POSTGRES_DESK_PASSWORD": self._passwords["postgres_desk"],
            }
        if "mongo" in self._servers:
            variables["GLOBALMART_MONGO_URL"] = self.mongo.url
            variables["GLOBALMART_MONGO_DATABASE"] = mongo_server.DATABASE
            variables["GLOBALMART_BATCH_LAKE"] = str(self.var_dir / _LAKE)
        return variables

    def child(self, name: str, stop_signal: signal.Signals = signal.SIGTERM) -> ServerProcess:
        """Creates a process, not started yet, that is logged, guarded, and stopped before the servers."""
        if self._workspace is None:
            raise EmbeddedStackError(f"start the stack before the {name}")
        log_path = self._workspace.log(name)
        process = ServerProcess(name, log_path, self._workspace.guard, stop_signal)
        self._cleanup.callback(process.stop)
        return process

    def start_server(self, make: Callable[[Workspace], Server]) -> Server:
        """Starts one more server, which is stopped before the others, and at once if it does not answer."""
        if self._workspace is None:
            raise EmbeddedStackError("start the stack before another server")
        server = make(self._workspace)
        self._cleanup.callback(server.stop)
        self._report(f"Starting {server.name} on port {server.port}")
        try:
            server.start()
        except EmbeddedStackError:
            server.stop()
            raise
        return server

    def _server(self, name: str) -> EmbeddedServer:
        if name not in self._servers:
            raise EmbeddedStackError(f"this stack was started without {name}; add it to `services`")
        return self._servers[name]

    def _start(self) -> None:
        self._report("Checking Java, programs, disk and ports")
        preflight.require(self.var_dir, self._services, java_needed=not self._allow_memory_broker)
        guard = self._cleanup.enter_context(Guard(self.var_dir))
        if self._fresh:
            _remove_data(self.var_dir)
        self._passwords = load_passwords(self.var_dir / _PASSWORDS_FILE)
        workspace = self._workspace = Workspace(self.var_dir, guard, self._report)
        for name in self._services:
            server = self._servers[name] = make_server(
                name,
                workspace,
                self._passwords,
                preferred_port=self._preferred_ports,
                allow_memory_broker=self._allow_memory_broker,
            )
            self._cleanup.callback(server.stop)
            self._report(f"Starting {server.name} on port {server.port}")
            server.launch()
        for server in self._servers.values():
            server.wait_ready()
            self._report(f"{server.name} answers on port {server.port}")


def remove_stack(var_dir: Path) -> None:
    """Deletes the servers' data in `var_dir`; raises EmbeddedStackError while a launcher uses it."""
    if var_dir.is_dir():
        with Guard(var_dir.absolute()):
            _remove_data(var_dir.absolute())


def _remove_data(var_dir: Path) -> None:
    remove_home(var_dir)
    for folder in ("kafka", "mongo", "prometheus", "grafana", _LAKE):
        shutil.rmtree(var_dir / folder, ignore_errors=True)
    for file in (_PASSWORDS_FILE, "pgpass"):
        (var_dir / file).unlink(missing_ok=True)


def _known(services: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(services) - set(preflight.SERVICES))
    if unknown:
        raise EmbeddedStackError(f"no such service: {', '.join(unknown)}; there are {', '.join(preflight.SERVICES)}")
    return tuple(name for name in preflight.SERVICES if name in services)
