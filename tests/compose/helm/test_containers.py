"""The containers' commands run for real, with nothing but what the chart gives them."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from app.cli.commands import COMMANDS
from app.settings import load_settings
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.compose.helm.chart import Object, Rendered, environment, render
from tests.faults import topics
from tests.support.command_line import options_of
from tests.support.databases import Database, blank_database

__all__ = ["blank_database"]

_SECRETS: Final = "/run/secrets/globalmart"
_WAIT_SECONDS: Final = 240.0
_OWNER: Final = "GLOBALMART_POSTGRES_OWNER_PASSWORD"
_WORKER: Final = "GLOBALMART_POSTGRES_WORKER_PASSWORD"
_READER: Final = "GLOBALMART_POSTGRES_READER_PASSWORD"
_DESK: Final = "GLOBALMART_POSTGRES_DESK_PASSWORD"
_MONGO: Final = "GLOBALMART_MONGO_URL"

#: Which secret each pod may know: nobody has more than it needs.
_MAY_KNOW: Final = {
    "migrate": {_OWNER, _WORKER, _READER, _DESK},
    "worker": {_WORKER},
    "api": {_READER, _DESK, _MONGO},
    "dashboard": set(),
    "batch": {_READER, _MONGO},
    "maintain": {_OWNER, _READER, _MONGO},
    "toolbox": {_OWNER, _WORKER, _READER, _DESK, _MONGO},
    "doctor": {_OWNER, _WORKER, _READER, _DESK, _MONGO},
    "generator": set(),
}
_SCRAPED: Final = {"worker": "GLOBALMART_WORKER_METRICS_PORT", "api": "GLOBALMART_API_PORT"}
_KAFKA_CLIENTS: Final = {"migrate", "worker", "maintain", "toolbox", "doctor", "generator"}


def _mounted(pod: Object) -> dict[str, str]:
    """Files of the Secret by their path, with the key of each."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    if "secrets" not in volumes:
        return {}
    items = volumes["secrets"]["secret"]["items"]
    return {f"{_SECRETS}/{item['path']}": item["key"] for item in items}


def test_each_pod_knows_only_the_secrets_that_it_needs(usual: Rendered, full: Rendered) -> None:
    for rendered, kafka, keys in ((usual, set(), False), (full, _KAFKA_CLIENTS, True)):
        for name, pod in rendered.pods().items():
            given = environment(pod["containers"][0])
            known = {n.removesuffix("_FILE"): v for n, v in given.items() if v.startswith(_SECRETS)}
            expected = set(_MAY_KNOW[name])
            expected |= {"GLOBALMART_KAFKA_PASSWORD"} if name in kafka else set()
            expected |= {"GLOBALMART_API_KEY_HASHES"} if keys and name == "api" else set()
            expected |= {"GLOBALMART_FRAUD_WEBHOOK_SECRET"} if keys and name == "worker" else set()
            expected |= {"GLOBALMART_DASHBOARD_API_KEY"} if keys and name == "dashboard" else set()
            assert known.keys() == expected, name
            assert set(known.values()) == _mounted(pod).keys(), name


def test_the_reader_of_the_warehouse_gets_no_right_to_write(rendered: Rendered) -> None:
    for name, pod in rendered.pods().items():
        keys = {key for key in _mounted(pod).values() if key.startswith("mongo")}
        if keys:
            assert keys == {"mongo-reader-url" if name == "api" else "mongo-batch-url"}, name


def test_every_pod_reads_its_settings(rendered: Rendered, tmp_path: Path) -> None:
    """And so each variable is a setting, and each value one that it takes."""
    for name, pod in rendered.pods().items():
        (container,) = pod["containers"]
        environ = environment(container)
        assert len(environ) == len([entry for entry in container["env"] if "value" in entry]), name
        for file in _mounted(pod):
            secret = tmp_path / Path(file).name
            secret.write_text("0" * 64 + "\n")
        moved = {n: v.replace(_SECRETS, str(tmp_path)) for n, v in environ.items()}
        settings = load_settings(moved)
        assert settings.ignored == (), name
        assert settings.general.bind in {"0.0.0.0", "::"}, name


def test_full_values_arrive_as_settings(full: Rendered, tmp_path: Path) -> None:
    (tmp_path / "postgresWorkerPassword").write_text("hunter2\n")
    (tmp_path / "kafkaPassword").write_text("hunter3\n")
    (tmp_path / "fraudWebhookSecret").write_text("hunter4\n")
    environ = environment(full.containers()["worker"])
    settings = load_settings({n: v.replace(_SECRETS, str(tmp_path)) for n, v in environ.items()})
    assert settings.kafka.user == "shop"
    assert settings.kafka.key_file == Path("/run/tls/kafka/tls.key")
    assert settings.postgres.ca_file == Path("/run/tls/postgres/ca.crt")
    assert settings.stream.retention_days == 400
    assert settings.generator.users == 1_000_000
    assert settings.worker.accept_lost_offsets is True


def test_commands_exist_with_their_options(rendered: Rendered) -> None:
    known = {command.name for command in COMMANDS}
    for name, container in rendered.containers().items():
        program, *words = container["command"]
        if name == "toolbox":
            assert (program, words) == ("sleep", ["infinity"])
            assert shutil.which("sleep")
            continue
        assert program == "globalmart", name
        assert words[0] in known, name
        assert {word for word in words if word.startswith("--")} <= options_of(words[0]), name


def test_the_nightly_command_is_understood(usual: Rendered) -> None:
    done = _run([*usual.containers()["batch"]["command"], "--help"], {}, Path.cwd())
    assert "Compute all marts" in done.stdout


class _Node:
    """Runs containers as processes of this machine: their folders are below one of a test's."""

    def __init__(self, rendered: Rendered, folder: Path, secrets: dict[str, str]) -> None:
        self._rendered = rendered
        self._folder = folder
        (folder / "secrets").mkdir()
        for key, content in secrets.items():
            (folder / "secrets" / key).write_text(f"{content}\n")

    def environ(self, name: str) -> dict[str, str]:
        """What the chart gives the container, with folders of this machine."""
        pod = self._rendered.pods()[name]
        given = environment(pod["containers"][0])
        data = self._folder / "lake" if name in {"batch", "maintain"} else self._folder / name
        data.mkdir(exist_ok=True)
        places = {"/var/lib/globalmart": str(data)}
        places |= {f: str(self._folder / "secrets" / key) for f, key in _mounted(pod).items()}
        for inside, outside in places.items():
            given = {n: outside if v == inside else v for n, v in given.items()}
        assert not [v for v in given.values() if v.startswith("/run/")]
        return given

    def run(self, name: str) -> str:
        """A job's output; fails when it does."""
        command = self._rendered.containers()[name]["command"]
        return _run(command, self.environ(name), self._folder).stdout

    @contextmanager
    def serving(self, name: str) -> Iterator[None]:
        """A server, from the moment on that its probes agree."""
        container = self._rendered.containers()[name]
        log = self._folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                _resolved(container["command"]),
                env=_clean(self.environ(name)),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                _until_probed(container, probe, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()


def _resolved(command: list[str]) -> list[str]:
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def _clean(environ: dict[str, str]) -> dict[str, str]:
    """Only that, and what an image sets itself."""
    return {**environ, "PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONUNBUFFERED": "1"}


def _run(command: list[str], environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        _resolved(command),
        env=_clean({"GLOBALMART_ENV_FILE": "", **environ}),
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=_WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def _until_probed(container: Object, probe: str, process: "subprocess.Popen[Any]", log: Path) -> None:
    asked = container[probe]["httpGet"]
    port = next(p["containerPort"] for p in container["ports"] if p["name"] == asked["port"])
    deadline = time.monotonic() + _WAIT_SECONDS
    while (status := _status(f"http://{LOOPBACK}:{port}{asked['path']}")) != 200:
        tail = log.read_text()[-3000:]
        assert process.poll() is None, f"ended with {process.returncode}\n{tail}"
        assert time.monotonic() < deadline, f"{probe} said {status}\n{tail}"
        time.sleep(0.3)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.fixture
async def node(stack: EmbeddedStack, blank_database: Database, tmp_path: Path) -> _Node:
    """The chart over the run's servers, with an empty database and empty topics."""
    topics.recreate_topics(stack.kafka.bootstrap)
    passwords = stack.environment()
    postgres = blank_database.postgres
    sets = {
        "bind": LOOPBACK,
        "kafka.bootstrap": stack.kafka.bootstrap,
        "kafka.replication": "1",
        "postgres.host": postgres.host,
        "postgres.port": str(postgres.port),
        "postgres.database": postgres.database,
        "mongo.database": passwords["GLOBALMART_MONGO_DATABASE"],
        "settings.KAFKA_GROUP": postgres.database,
        "worker.port": str(choose_port()),
        "api.port": str(choose_port()),
        "dashboard.port": str(choose_port()),
    }
    arguments = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    secrets = {
        "postgres-owner-password": passwords[_OWNER],
        "postgres-worker-password": passwords[_WORKER],
        "postgres-reader-password": passwords[_READER],
        "postgres-desk-password": passwords[_DESK],
        "mongo-batch-url": passwords[_MONGO],
        "mongo-reader-url": passwords[_MONGO],
    }
    return _Node(render(*arguments), tmp_path, secrets)


async def test_an_install_goes_through_on_this_machine(node: _Node) -> None:
    """Migrate, the servers until their probes agree, the doctor, and retention; then migrate once more."""
    assert "the schema is up to date" in node.run("migrate")
    with node.serving("worker"), node.serving("api"):
        assert "all is well" in node.run("doctor")
        assert "topic transactions" in node.run("maintain")
        assert "applied" not in node.run("migrate")
        with node.serving("dashboard"):
            for name, variable in _SCRAPED.items():
                page = _text(f"http://{LOOPBACK}:{node.environ(name)[variable]}/metrics")
                assert re.search(r"^globalmart_\w+", page, re.M), name
