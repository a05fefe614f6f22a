"""What the images run on an empty volume, run here on real servers: accounts, Kafka's configuration, the schedule."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from app.java import find_java
from app.postgres.connections import connect_desk, connect_owner, connect_reader, connect_worker
from app.postgres.migrate import known_migrations, migrate
from app.settings import PostgresSettings
from compose.embedded.kafka_jars import ensure_jars
from compose.embedded.ports import LOOPBACK
from compose.embedded.postgres_server import DATABASE, OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.compose.docker_stack import PROJECT, DockerStack
from tests.support.command_line import options_of
from tests.support.waiting import PATIENCE_SECONDS

_COMPOSE: Final = PROJECT / "compose"


@pytest.fixture(scope="module")
def bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A PostgreSQL of its own."""
    var_dir = tmp_path_factory.mktemp("bare")
    with EmbeddedStack(var_dir, services=("postgres",), preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)


async def test_the_owner_is_made_and_can_migrate(bare_stack: EmbeddedStack, docker_stack: DockerStack) -> None:
    """The script's variables are the compose file's; what it makes is what `globalmart migrate` needs."""
    dsn = bare_stack.postgres.dsn(SUPERUSER, "postgres")
    admin = await asyncpg.connect(dsn)
    for statement in (f"DROP DATABASE {DATABASE}", f"DROP ROLE {OWNER}"):
        await admin.execute(statement)
    _run_owner_script(bare_stack, docker_stack)
    role = await admin.fetchrow(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = $1", OWNER
    )
    await admin.close()
    assert role is not None
    assert tuple(role) == (False, True, False, False)
    settings = _settings_of_migrate(bare_stack, docker_stack)
    assert len(await migrate(settings)) == len(known_migrations())
    for connect in (connect_worker, connect_reader, connect_desk):
        connection = await connect(settings, "test")
        assert await connection.fetchval("SELECT count(*) FROM transactions") == 0
        await connection.close()
    owner = await connect_owner(settings)
    await owner.close()


def _run_owner_script(running: EmbeddedStack, docker_stack: DockerStack) -> None:
    given = docker_stack.services["postgres"]["environment"]
    password = running.postgres.dsn(SUPERUSER).split(":")[2].split("@")[0]
    connection = {
        "PGHOST": LOOPBACK,
        "PGPORT": str(running.postgres.port),
        "PGPASSWORD": password,
        "PATH": f"{running.postgres.psql.parent}:{os.environ['PATH']}",
    }
    subprocess.run(
        [_COMPOSE / "postgres" / "owner.sh"], env={**given, **connection}, check=True, timeout=PATIENCE_SECONDS
    )


def _settings_of_migrate(running: EmbeddedStack, docker_stack: DockerStack) -> PostgresSettings:
    given = docker_stack.services["migrate"]["environment"]
    place = {"GLOBALMART_POSTGRES_HOST": LOOPBACK, "GLOBALMART_POSTGRES_PORT": str(running.postgres.port)}
    return PostgresSettings.read({**given, **place})


def test_kafkas_own_start_accepts_the_configuration(docker_stack: DockerStack, tmp_path: Path) -> None:
    """The image's entry point is this class: it makes the properties of the variables and formats the folder."""
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).write_text("")
    java = find_java()
    classes = f"{ensure_jars(java, lambda _: None)}/*"
    options = [word for name, folder in folders.items() for word in (f"--{name}-configs-dir", str(folder))]
    done = subprocess.run(
        [java.executable, "-cp", classes, "kafka.docker.KafkaDockerWrapper", "setup", *options],
        env=docker_stack.services["kafka"]["environment"] | {"KAFKA_LOG_DIRS": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "data" / "meta.properties").read_text()
    assert f"cluster.id={docker_stack.env['KAFKA_CLUSTER_ID']}" in written


def test_the_users_of_mongodb_are_those_of_the_addresses(docker_stack: DockerStack) -> None:
    script = (_COMPOSE / "mongo" / "users.js").read_text()
    named = set(re.findall(r"process\.env\.(\w+)", script))
    assert named <= set(docker_stack.services["mongodb"]["environment"])
    made = set(re.findall(r'user: "(\w+)"', script))
    named = {
        docker_stack.services[name]["environment"]["GLOBALMART_MONGO_USER"] for name in ("api", "batch", "maintain")
    }
    assert named == made
    url = docker_stack.env["GLOBALMART_MONGO_URL"]
    assert re.match(r"mongodb://(\w+):", url)[1] in made  # type: ignore[index]


@pytest.mark.parametrize(
    ("service", "hour", "minute", "command"), [("batch", 2, 15, "batch nightly"), ("maintain", 4, 45, "maintain")]
)
def test_every_job_runs_once_a_night_at_the_hour_the_other_files_say(
    docker_stack: DockerStack, service: str, hour: int, minute: int, command: str
) -> None:
    given = docker_stack.services[service]
    when = f"{hour:02}:{minute:02}"
    assert given["command"] == ["globalmart", "schedule", "--daily-at", when, *command.split()]
    account = f"/var/lib/globalmart/schedule/{command.replace(' ', '-')}.json"
    assert given["healthcheck"]["test"][-3:] == ["fresh", account, "120"]
    schedule = f"{minute} {hour} * * *"
    on_a_machine = [
        line for line in (_COMPOSE / "cron" / "crontab").read_text().splitlines() if line.startswith(schedule)
    ]
    assert [f".venv/bin/globalmart {command} " in line for line in on_a_machine] == [True]
    timer = (_COMPOSE / "cron" / f"globalmart-{service}.timer").read_text()
    assert f"OnCalendar=*-*-* {hour:02}:{minute:02}:00 UTC" in timer
    assert options_of(command.split()[0])


def test_the_lines_for_a_machine_run_where_nothing_was_started_before(tmp_path: Path) -> None:
    """As cron runs them: by sh, in a folder that has no logs yet."""
    tool = tmp_path / ".venv" / "bin" / "globalmart"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\necho "ran $*"\n')
    tool.chmod(0o755)
    text = (_COMPOSE / "cron" / "crontab").read_text().replace("/opt/globalmart", str(tmp_path))
    jobs = [line.split(maxsplit=5)[5] for line in text.splitlines() if re.match(r"\d", line)]
    assert len(jobs) == 2
    for job in jobs:
        assert "%" not in job, "cron would end the command there"
        subprocess.run(["/bin/sh", "-c", job], check=True, timeout=PATIENCE_SECONDS)
    logs = {path.name: path.read_text() for path in (tmp_path / "var" / "logs").iterdir()}
    assert logs == {"batch.log": "ran batch nightly\n", "maintain.log": "ran maintain\n"}
