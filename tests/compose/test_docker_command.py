"""`globalmart up` and `down`: what they run, and what they say when something is missing or in the way."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.init import with_secrets
from compose.docker import COMPOSE_FILE
from compose.embedded.ports import LOOPBACK, choose_port
from tests.support.waiting import PATIENCE_SECONDS

#: A stand-in for Docker: answers as its variables say, and keeps in `calls` what it was called with.
_STAND_IN = """#!/bin/sh
case "$1 $2" in
"compose version") test "$BROKEN" = plugin && exit 1; echo "${VERSION:-2.40.3}"; exit ;;
"info --format") test "$BROKEN" != engine && exit; echo "Cannot connect to the Docker daemon" >&2; exit 1 ;;
"ps --filter") cat running; exit ;;
esac
case " $* " in
*" config "*) cat config.json; exit ;;
*" build "*) echo "$*" >>calls; exit ${BUILD_EXIT:-0} ;;
*" rm "*) echo "$*" >>calls; exit ;;
esac
echo "$*" >>calls
echo "into containers: $GLOBALMART_ENV_FILE" >>calls
exit 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a `.env` and a `bin` with the stand-in; nothing runs, and no port is published."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_STAND_IN)
    docker.chmod(0o755)
    (tmp_path / ".env").write_text(with_secrets())
    (tmp_path / "running").write_text("")
    _publish(tmp_path, {})
    return tmp_path


def _publish(folder: Path, services: dict[str, list[dict[str, Any]]]) -> None:
    """What Compose would say the stack publishes."""
    resolved = {"services": {name: {"ports": ports} for name, ports in services.items()}}
    (folder / "config.json").write_text(json.dumps(resolved))


def _call(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GLOBALMART_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env=own | {"PATH": f"{folder}/bin:/usr/bin:/bin"} | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def _calls(folder: Path) -> list[str]:
    """What the stand-in was asked to do, not to tell."""
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_up_builds_then_starts_what_is_asked_for(folder: Path) -> None:
    done = _call(folder, "up", "--workers", "3", "--traffic")
    build, up, environment = _calls(folder)
    place = f"compose --env-file {folder}/.env --file {COMPOSE_FILE}"
    assert build == f"{place} build"
    assert up.startswith(f"{place} --profile traffic up --detach --no-build --wait ")
    assert up.endswith("--scale worker=3")
    assert "--wait-timeout 600" in up
    assert "spark" not in up
    assert environment == f"into containers: {folder}/.env"
    assert done.returncode == 3, "Docker's own exit code"


def test_the_time_limit_can_be_another(folder: Path) -> None:
    _call(folder, "up", "--timeout", "90")
    assert "--wait-timeout 90" in _calls(folder)[1]


def test_a_build_that_fails_ends_it(folder: Path) -> None:
    done = _call(folder, "up", BUILD_EXIT="17")
    assert done.returncode == 17
    assert len(_calls(folder)) == 1


def test_what_is_not_named_stays_as_it_is(folder: Path) -> None:
    """The generator goes on, brought up to date, and so do three workers."""
    (folder / "running").write_text("worker \nworker \nworker \ngenerator \nkafka \n")
    _call(folder, "up")
    up = _calls(folder)[1]
    assert "--profile traffic" in up
    assert "--profile spark" not in up
    assert up.endswith("--scale worker=3")


def test_traffic_and_the_cluster_end_when_it_is_said(folder: Path) -> None:
    (folder / "running").write_text("worker \ngenerator \nspark-master \nspark-worker \n")
    _call(folder, "up", "--no-traffic", "--no-spark", "--workers", "1")
    *removed, _, up, _ = _calls(folder)
    assert [call.rsplit(" rm --stop --force ")[1] for call in removed] == ["generator", "spark-master", "spark-worker"]
    assert "--profile" not in up
    assert up.endswith("--scale worker=1")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port something listens on."""
    with socket.create_server((LOOPBACK, choose_port())) as server:
        yield server.getsockname()[1]


def test_every_taken_port_is_named_before_anything_starts(folder: Path, taken: int) -> None:
    grafana = {"host_ip": LOOPBACK, "published": str(taken), "target": 3000}
    kafka = {"host_ip": LOOPBACK, "published": str(taken), "target": 29092}
    free = {"host_ip": LOOPBACK, "published": str(choose_port()), "target": 8000}
    _publish(folder, {"grafana": [grafana], "kafka": [kafka], "api": [free]})
    done = _call(folder, "up")
    assert done.returncode == 1
    assert f"grafana cannot listen on {LOOPBACK}:{taken}" in done.stderr
    assert "set GRAFANA_PORT in .env to a free port" in done.stderr
    assert "set KAFKA_PORT in .env to a free port" in done.stderr
    assert "api" not in done.stderr
    assert _calls(folder) == []


def test_a_port_of_the_stack_itself_is_not_in_its_way(folder: Path, taken: int) -> None:
    _publish(folder, {"grafana": [{"host_ip": LOOPBACK, "published": str(taken), "target": 3000}]})
    (folder / "running").write_text(f"grafana {LOOPBACK}:{taken}->3000/tcp, 9999/tcp\n")
    assert _call(folder, "up").returncode == 3
    (folder / "running").write_text(f"grafana {LOOPBACK}:3000->3000/tcp\n")
    assert "grafana cannot listen on" in _call(folder, "up").stderr


def test_an_address_this_machine_does_not_have_is_named(folder: Path) -> None:
    _publish(folder, {"api": [{"host_ip": "192.0.2.7", "published": "8000", "target": 8000}]})
    done = _call(folder, "up")
    assert done.returncode == 1
    assert "this machine does not have this address; correct GLOBALMART_BIND in .env" in done.stderr


def test_what_is_open_and_asks_for_nothing_is_named(folder: Path) -> None:
    everywhere = {"host_ip": "0.0.0.0", "target": 8000}
    ports = {name: [{**everywhere, "published": str(choose_port())}] for name in ("api", "dashboard")}
    _publish(folder, {**ports, "postgres": [{**everywhere, "published": str(choose_port())}]})
    done = _call(folder, "up")
    assert done.returncode == 3
    assert "warning: dashboard requires no password on 0.0.0.0" in done.stderr
    assert "warning: api requires no password" in done.stderr
    assert "globalmart api-key new" in done.stderr
    assert "postgres" not in done.stderr


@pytest.mark.parametrize(
    "line", ["GRAFANA_ADMIN_PASSWORD=pa$word", 'POSTGRES_PASSWORD="pa${x}"', r"MONGO_ROOT_PASSWORD=a\b"]
)
def test_a_value_compose_reads_differently_is_named(folder: Path, line: str) -> None:
    name = line.split("=")[0]
    file = folder / ".env"
    file.write_text(re.sub(rf"^{name}=.*$", lambda _: line, file.read_text(), flags=re.M))
    done = _call(folder, "up")
    assert done.returncode == 1
    assert name in done.stderr
    assert "in single quotes" in done.stderr
    value = line.split("=")[1].strip('"')
    file.write_text(file.read_text().replace(line, f"{name}='{value}'"))
    assert _call(folder, "up").returncode == 3


def test_down_keeps_the_data_by_default(folder: Path) -> None:
    _call(folder, "down")
    (down, _) = _calls(folder)
    assert "--profile traffic --profile spark down" in down
    assert "--volumes" not in down
    _call(folder, "down", "--volumes", "--yes")
    assert "--volumes" in _calls(folder)[2]
    before = _calls(folder)
    assert _call(folder, "down", "--volumes").returncode == 1
    assert _calls(folder) == before


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"BROKEN": "plugin"}, "Docker's Compose plugin is missing; install it"),
        ({"BROKEN": "engine"}, "engine does not answer: Cannot connect to the Docker daemon. Start it"),
        ({"VERSION": "v2.3.3"}, "too old: docker compose is 2.3, 2.20 or newer is needed"),
        ({"VERSION": "1.29.2"}, "too old: docker compose is 1.29"),
    ],
)
def test_what_is_missing_is_named_with_the_fix(folder: Path, broken: dict[str, str], said: str) -> None:
    done = _call(folder, "up", **broken)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_docker_at_all(folder: Path) -> None:
    (folder / "bin" / "docker").unlink()
    done = _call(folder, "up")
    assert (done.returncode, "Docker is not installed" in done.stderr) == (1, True)


def test_no_settings_file(folder: Path) -> None:
    (folder / ".env").unlink()
    done = _call(folder, "up")
    assert (done.returncode, ".env is missing; `globalmart init` writes it" in done.stderr) == (1, True)
