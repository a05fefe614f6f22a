"""compose/compose.yml: accepted by Compose, pinned, bound, limited, and every name in it exists."""

import json
import re
import zipfile
from pathlib import Path
from typing import Final

import pyspark
import pytest
import yaml
from dotenv import dotenv_values
from pymongo.uri_parser import parse_uri

from app.cli.commands import COMMANDS
from app.ops.lake_access import lake_location
from app.settings import ENV_FILE_VARIABLE, ENV_PREFIX, Settings, documented_settings
from batch.session import executor_memory
from grafana.prometheus_config import prometheus_config
from grafana.provisioning import grafana_environment
from tests.compose.docker_stack import COMPOSE_FILE, PROJECT, DockerStack, compose, copy_of_the_project, resolved
from tests.support.command_line import options_of

_TEXT: Final = COMPOSE_FILE.read_text()
#: An 8 GB machine's memory less a gigabyte and a half for its system, its engine and its files.
_BYTES_FOR_THE_STACK: Final = int(6.5 * 1024**3)
_ONE_SHOT: Final = {"migrate"}
_SCALABLE: Final = {"worker"}
_GUIDE_PORTS: Final = {
    "kafka": {29092},
    "postgres": {5432},
    "mongodb": {27017},
    "grafana": {3000},
    "api": {8000},
    "dashboard": {8501},
    "spark-master": {8080},
    "prometheus": {9090},
    "alertmanager": {9093},
}
#: What asks nobody for a password or a key, and is no page of ours: GLOBALMART_BIND does not open it.
_OPEN_TO_ANYBODY: Final = {"kafka", "prometheus", "alertmanager", "spark-master"}

#: Which secret each service may know: nobody has more than it needs.
_SECRETS: Final = {
    "migrate": {
        "GLOBALMART_POSTGRES_OWNER_PASSWORD",
        "GLOBALMART_POSTGRES_WORKER_PASSWORD",
        "GLOBALMART_POSTGRES_READER_PASSWORD",
        "GLOBALMART_POSTGRES_DESK_PASSWORD",
    },
    "worker": {"GLOBALMART_POSTGRES_WORKER_PASSWORD"},
    "api": {"GLOBALMART_POSTGRES_READER_PASSWORD", "GLOBALMART_POSTGRES_DESK_PASSWORD", "MONGO_READER_PASSWORD"},
    "batch": {"GLOBALMART_POSTGRES_READER_PASSWORD", "MONGO_BATCH_PASSWORD"},
    "maintain": {"GLOBALMART_POSTGRES_OWNER_PASSWORD", "GLOBALMART_POSTGRES_READER_PASSWORD", "MONGO_BATCH_PASSWORD"},
    "postgres": {"POSTGRES_PASSWORD", "GLOBALMART_POSTGRES_OWNER_PASSWORD"},
    "mongodb": {"MONGO_ROOT_PASSWORD", "MONGO_BATCH_PASSWORD", "MONGO_READER_PASSWORD"},
    "grafana": {"GRAFANA_ADMIN_PASSWORD", "GLOBALMART_POSTGRES_READER_PASSWORD"},
}


def test_everything_of_the_guide_and_the_product_is_there(docker_stack: DockerStack) -> None:
    assert set(docker_stack.services) == {
        "kafka",
        "postgres",
        "mongodb",
        "migrate",
        "worker",
        "generator",
        "api",
        "dashboard",
        "batch",
        "maintain",
        "prometheus",
        "alertmanager",
        "grafana",
        "spark-master",
        "spark-worker",
    }


@pytest.mark.parametrize("name", re.findall(r"\$\{(\w+):\?", _TEXT))
def test_a_missing_secret_is_named_with_the_fix(name: str, tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    env = folder / ".env"
    env.write_text(re.sub(rf"^{name}=.*$", f"{name}=", env.read_text(), flags=re.M))
    done = compose(folder, "config", "--quiet")
    assert done.returncode != 0
    assert name in done.stderr
    assert "run globalmart init" in done.stderr


def test_without_an_env_file_nothing_starts(tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    (folder / ".env").unlink()
    done = compose(folder, "config", "--quiet")
    assert done.returncode != 0
    assert ".env" in done.stderr


def test_images_are_pinned_to_a_version(docker_stack: DockerStack) -> None:
    tags = {name: service["image"].split(":")[-1] for name, service in docker_stack.services.items()}
    assert [n for n, tag in tags.items() if not re.match(r"v?\d+\.\d+(\.\d+)?(-\w+)?$", tag)] == []


def test_names_where_nothing_scales(docker_stack: DockerStack) -> None:
    for name, service in docker_stack.services.items():
        wanted = None if name in _SCALABLE else f"globalmart-{name}"
        assert service.get("container_name") == wanted


def test_the_guides_ports_on_loopback(docker_stack: DockerStack) -> None:
    found = {
        name: {int(port["published"]) for port in service["ports"]}
        for name, service in docker_stack.services.items()
        if service.get("ports")
    }
    assert found == _GUIDE_PORTS
    addresses = {p["host_ip"] for s in docker_stack.services.values() for p in s.get("ports", [])}
    assert addresses == {"127.0.0.1"}


def test_another_address_opens_what_asks_for_a_password_and_nothing_else(tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    services = resolved(folder, GLOBALMART_BIND="192.0.2.7")
    addresses = {
        name: {port["host_ip"] for port in service["ports"]}
        for name, service in services.items()
        if service.get("ports")
    }
    assert {n for n, found in addresses.items() if found == {"127.0.0.1"}} == _OPEN_TO_ANYBODY
    assert {n for n, found in addresses.items() if found == {"192.0.2.7"}} == (set(_GUIDE_PORTS) - _OPEN_TO_ANYBODY)
    kafka = resolved(folder, KAFKA_BIND="192.0.2.8")["kafka"]["ports"][0]
    assert kafka["host_ip"] == "192.0.2.8"


def test_every_port_of_this_machine_can_be_another(tmp_path: Path) -> None:
    variables = dict(re.findall(r"\$\{(\w+_PORT):-(\d+)\}:\d+", _TEXT))
    folder = copy_of_the_project(tmp_path)
    moved = {name: str(20_000 + number) for number, name in enumerate(variables)}
    services = resolved(folder, **moved)
    ports = {p["published"] for s in services.values() for p in s.get("ports", [])}
    assert ports == set(moved.values())
    kafka = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert kafka.endswith(f":{moved['KAFKA_PORT']}"), "clients are sent to the port that is open"
    written = (folder / ".env").read_text()
    assert [name for name, port in variables.items() if f"\n{name}={port}\n" not in written] == []


def test_sparks_master_takes_orders_from_the_stack_alone(docker_stack: DockerStack) -> None:
    ports = [p["target"] for s in docker_stack.services.values() for p in s.get("ports", [])]
    assert 7077 not in ports


def test_each_image_is_built_by_one_service_and_asked_of_no_registry(docker_stack: DockerStack) -> None:
    builders = {n: s["image"] for n, s in docker_stack.ours.items() if "build" in s}
    images = {service["image"] for service in docker_stack.ours.values()}
    assert sorted(builders.values()) == sorted(images)
    assert {service["pull_policy"] for service in docker_stack.ours.values()} == {"never"}
    assert not any("profiles" in docker_stack.written[name] for name in builders)
    for name in builders:
        build = docker_stack.services[name]["build"]
        assert [secret["source"] for secret in build["secrets"]] == ["pip", "authorities"]


def test_a_build_behind_a_mirror_and_an_authority(tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    given = {"BUILD_PIP_CONF": "/etc/pip.conf", "BUILD_AUTHORITIES": "/etc/ssl/ours.pem"}
    done = compose(folder, "config", "--format", "json", **given)
    secrets = {n: s["file"] for n, s in json.loads(done.stdout)["secrets"].items()}
    assert secrets == {"pip": "/etc/pip.conf", "authorities": "/etc/ssl/ours.pem"}
    done = compose(folder, "config", "--format", "json")
    files = {Path(s["file"]) for s in json.loads(done.stdout)["secrets"].values()}
    assert {file.read_text() for file in files} == {""}


def test_spark_may_start_what_it_unpacks_and_nobody_else_may(docker_stack: DockerStack) -> None:
    """An engine's tmpfs is noexec, and Spark's libraries unpack native code there."""
    for name, service in docker_stack.ours.items():
        (scratch,) = (entry for entry in service["tmpfs"] if entry.startswith("/tmp"))
        runs_spark = name == "batch" or name.startswith("spark-")
        assert ("exec" in scratch.partition(":")[2].split(",")) == runs_spark, name


def test_the_health_of_mongodb_starts_no_shell_of_its_own(docker_stack: DockerStack) -> None:
    """mongosh is a Node.js of a sixth of the container's memory."""
    check = docker_stack.services["mongodb"]["healthcheck"]["test"]
    assert "mongosh" not in " ".join(check)
    assert check[-1] == "exec 3<>/dev/tcp/mongodb/27017", "by name: at first it listens on localhost"


def test_a_password_of_a_persons_own_reaches_every_service_as_it_is(tmp_path: Path) -> None:
    awkward = "p@ss:/w$rd%41#{}"
    folder = copy_of_the_project(tmp_path)
    names = ("MONGO_BATCH_PASSWORD", "MONGO_READER_PASSWORD", "GLOBALMART_POSTGRES_READER_PASSWORD")
    text = (folder / ".env").read_text()
    for name in names:
        text = re.sub(rf"^{name}=.*$", f"{name}='{awkward}'", text, flags=re.M)
    (folder / ".env").write_text(text)
    ours = dotenv_values(folder / ".env")
    assert {ours[name] for name in names} == {awkward}
    services = {n: s["environment"] for n, s in resolved(folder).items() if "environment" in s}
    # Compose writes what is no variable any more with two dollars.
    for name, service in (("batch", "globalmart_batch"), ("api", "globalmart_reader")):
        given = {k: v.replace("$$", "$") for k, v in services[name].items() if k.startswith(ENV_PREFIX)}
        assert given["GLOBALMART_MONGO_PASSWORD"] == awkward
        url = Settings(given).mongo.url
        assert url is not None
        parsed = parse_uri(url.get_secret_value())
        assert (parsed["username"], parsed["password"]) == (service, awkward)
        assert parsed["nodelist"] == [("mongodb", 27017)]
    assert services["mongodb"]["MONGO_BATCH_PASSWORD"].replace("$$", "$") == awkward


def test_traffic_in_the_stack_does_not_fill_a_small_disk(docker_stack: DockerStack) -> None:
    """Two thirds of 20 GB for a month: the guide's rates fill them in a day."""
    given = docker_stack.services["generator"]["environment"]
    rates = Settings({k: v for k, v in given.items() if k.startswith(ENV_PREFIX)}).generator
    stored_bytes = {"transaction": 273 + 26, "product_view": 198 + 21, "cart_event": 208 + 22, "system_metric": 205}
    a_day = sum(getattr(rates, f"{n}_rate") * size * 86_400 for n, size in stored_bytes.items())
    kept_a_day = rates.transaction_rate * stored_bytes["transaction"] * 86_400
    assert 7 * a_day + 23 * kept_a_day < 13.3e9


def test_memory_leaves_room_on_the_machine_the_readme_asks_for(docker_stack: DockerStack) -> None:
    cluster = ("spark-master", "spark-worker")
    limits = {name: int(s["mem_limit"]) for name, s in docker_stack.services.items() if name not in cluster}
    assert sum(limits.values()) <= _BYTES_FOR_THE_STACK


def test_the_document_names_every_limit_and_their_sums(docker_stack: DockerStack) -> None:
    text = (PROJECT / "compose" / "README.md").read_text(encoding="utf-8")
    limits = {name: int(s["mem_limit"]) // 1024**2 for name, s in docker_stack.services.items()}
    documented: dict[str, int] = {}
    for names, memory in re.findall(r"^\| ((?:`[\w-]+`,? ?)+)\| [^|]+ \| ([\d, and]+) MB", text, re.M):
        figures = [int(figure.replace(",", "")) for figure in memory.split(" and ")]
        documented |= dict(zip(re.findall(r"`([\w-]+)`", names), figures, strict=True))
    assert documented == limits
    optional = {n for n, s in docker_stack.written.items() if "profiles" in s}
    usual = sum(memory for name, memory in limits.items() if name not in optional)
    assert f"may use {sum(limits.values()):,} MB, without traffic and Spark cluster {usual:,} MB" in text


def test_long_running_services_are_watched_and_restarted(docker_stack: DockerStack) -> None:
    for name, service in docker_stack.services.items():
        if name in _ONE_SHOT:
            assert service["restart"] == "no"
            assert "healthcheck" not in service
        else:
            assert service["restart"] == "unless-stopped", name
            check = service["healthcheck"]
            assert check["test"][0] == "CMD", name
            assert {"interval", "timeout", "retries", "start_period"} <= set(check), name


def test_what_is_waited_for(docker_stack: DockerStack) -> None:
    """A one-shot service has to succeed, any other has to be healthy."""
    for name, service in docker_stack.services.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "completed_successfully" if needed in _ONE_SHOT else "healthy"
            assert how["condition"] == f"service_{wanted}", (name, needed)
    after_migrate = {n for n, s in docker_stack.services.items() if "migrate" in s.get("depends_on", {})}
    assert after_migrate >= {"worker", "generator", "api", "batch", "maintain", "grafana"}


def test_mounted_files_and_folders_exist() -> None:
    mounts = re.findall(r"- (\.[\w./-]+):", _TEXT)
    assert len(mounts) >= 8
    assert [path for path in mounts if not (COMPOSE_FILE.parent / path).exists()] == []


def test_volumes_are_all_named_and_used(docker_stack: DockerStack) -> None:
    kinds = {v["type"] for s in docker_stack.services.values() for v in s.get("volumes", [])}
    assert kinds == {"bind", "volume"}
    stores = {
        name: {v["source"] for v in service["volumes"] if v["type"] == "volume"}
        for name, service in docker_stack.services.items()
        if any(v["type"] == "volume" for v in service.get("volumes", []))
    }
    assert stores == {
        "kafka": {"kafka"},
        "postgres": {"postgres"},
        "mongodb": {"mongodb"},
        "batch": {"lake"},
        "api": {"lake"},
        "maintain": {"lake"},
        "spark-worker": {"lake"},
        "prometheus": {"prometheus"},
        "alertmanager": {"alertmanager"},
        "grafana": {"grafana"},
    }


def test_commands_exist_with_their_options(docker_stack: DockerStack) -> None:
    known = {command.name for command in COMMANDS}
    for name, service in docker_stack.ours.items():
        program, command, *rest = service["command"]
        if program == "globalmart":
            assert command in known, name
            assert {word for word in rest if word.startswith("--")} <= options_of(command), name
            if command == "schedule":
                scheduled = rest[rest.index("--daily-at") + 2 :]
                assert scheduled[0] in known, name
        else:
            assert program == "spark-class", name


def test_classes_of_the_spark_cluster_exist(docker_stack: DockerStack) -> None:
    (core,) = (Path(pyspark.__file__).parent / "jars").glob("spark-core_*.jar")
    with zipfile.ZipFile(core) as jar:
        inside = set(jar.namelist())
    for name in ("spark-master", "spark-worker"):
        java_class = docker_stack.services[name]["command"][1]
        assert f"{java_class.replace('.', '/')}.class" in inside


def test_an_executor_fits_into_what_the_spark_worker_offers(
    docker_stack: DockerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the batch would wait for an executor for ever."""
    worker = docker_stack.services["spark-worker"]
    offered = _bytes(worker["command"][worker["command"].index("--memory") + 1])
    environment = docker_stack.services["batch"]["environment"]
    settings = Settings({k: v for k, v in environment.items() if k.startswith(ENV_PREFIX)})
    monkeypatch.setenv("SPARK_EXECUTOR_MEMORY", environment["SPARK_EXECUTOR_MEMORY"])
    assert _bytes(executor_memory(settings.batch)) <= offered < int(worker["mem_limit"])
    assert "spark.executor.memory" not in (COMPOSE_FILE.parent / "spark/spark-defaults.conf").read_text()


def test_maintenance_sees_the_lake_the_batch_fills(docker_stack: DockerStack) -> None:
    def lake(name: str) -> str:
        service = docker_stack.services[name]
        (target,) = (v["target"] for v in service["volumes"] if v["source"] == "lake")
        settings = Settings({"GLOBALMART_VAR_DIR": service["environment"]["GLOBALMART_VAR_DIR"]})
        assert Path(lake_location(settings)).is_relative_to(target)
        return lake_location(settings)

    assert lake("maintain") == lake("batch")
    mounts = docker_stack.services["maintain"]["volumes"]
    assert not any(v.get("read_only") for v in mounts if v["source"] == "lake")


def _bytes(java: str) -> int:
    return int(java[:-1]) * {"m": 1024**2, "g": 1024**3}[java[-1]]


def test_variables_are_settings(docker_stack: DockerStack) -> None:
    known = {variable for variable, _ in documented_settings()} | {ENV_FILE_VARIABLE}
    named = set(re.findall(rf"{ENV_PREFIX}[A-Z_]*[A-Z]", _TEXT)) | {
        name for name in docker_stack.env if name.startswith(ENV_PREFIX)
    }
    assert named - known == set()


def test_every_process_would_read_its_settings(docker_stack: DockerStack) -> None:
    for service in docker_stack.ours.values():
        given = {k: v for k, v in service["environment"].items() if k.startswith(ENV_PREFIX)}
        settings = Settings(given)
        assert settings.stream.retention_days == 400
        assert settings.general.bind == "0.0.0.0"
        assert settings.kafka.bootstrap == "kafka:9092"
        assert (settings.postgres.host, settings.postgres.port) == ("postgres", 5432)


def test_a_setting_of_the_env_file_reaches_our_processes(tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    with (folder / ".env").open("a") as env:
        env.write("GLOBALMART_ANOMALY_HIGH_VALUE=7500.00\n")
    services = resolved(folder)
    assert services["worker"]["environment"]["GLOBALMART_ANOMALY_HIGH_VALUE"] == "7500.00"


def test_nobody_knows_more_secrets_than_needed(docker_stack: DockerStack) -> None:
    secrets = {name: value for name, value in docker_stack.env.items() if name.endswith("PASSWORD")}
    assert len(set(secrets.values())) == len(secrets) == 9
    for name, service in docker_stack.services.items():
        seen = " ".join(str(value) for value in service.get("environment", {}).values())
        known = {secret for secret, value in secrets.items() if value in seen}
        assert known == _SECRETS.get(name, set()), name


def test_no_secret_stands_in_the_file() -> None:
    assert re.findall(r"(?i)password\w*: +(?![\"$])", _TEXT) == []
    assert "globalmart123" not in _TEXT


def test_our_containers_may_do_nothing_special(docker_stack: DockerStack) -> None:
    for name, service in docker_stack.ours.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in service, "the image's own user is no root"


def test_prometheus_scrapes_what_it_does_on_one_machine_from_every_worker() -> None:
    folder = COMPOSE_FILE.parent / "prometheus"
    found = yaml.safe_load((folder / "prometheus.yml").read_text())
    elsewhere = prometheus_config(
        workers=["worker:9101"], api=["api:8000"], alertmanagers=["alertmanager:9093"], scrape_seconds=15
    )
    job = found["scrape_configs"][0]
    (names,) = job.pop("dns_sd_configs")
    assert (names["names"], names["port"]) == (["worker"], 9101)
    job["static_configs"] = [{"targets": ["worker:9101"]}]
    assert found == elsewhere


def test_grafana_knows_every_variable_its_files_name(docker_stack: DockerStack) -> None:
    given = docker_stack.services["grafana"]["environment"]
    assert set(grafana_environment(Settings({}))) == {n for n in given if n.startswith(ENV_PREFIX)}


def test_logs_are_limited(docker_stack: DockerStack) -> None:
    for name, service in docker_stack.services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
