"""compose/compose.yml: accepted by Compose, pinned, bound, limited, and every name in it exists."""

import re
import zipfile
from pathlib import Path
from typing import Final

import pyspark
import pytest
import yaml

from app.cli.commands import COMMANDS
from app.ops.lake import lake_location
from app.settings import ENV_FILE_VARIABLE, ENV_PREFIX, Settings, documented_settings
from batch.session import executor_memory
from grafana.monitoring import prometheus_config
from grafana.provisioning import grafana_environment
from tests.compose.docker_stack import COMPOSE_FILE, PROJECT, DockerStack, compose, copy_of_the_project, resolved
from tests.support.command_line import options_of

_TEXT: Final = COMPOSE_FILE.read_text()
_BYTES_OF_8_GB: Final = 8 * 1024**3
_ONE_SHOT: Final = {"migrate"}
_SCALABLE: Final = {"worker"}
_GUIDE_PORTS: Final = {
    "kafka": {29092},
    "postgres": {5432},
    "mongodb": {27017},
    "grafana": {3000},
    "api": {8000},
    "dashboard": {8501},
    "spark-master": {7077, 8080},
    "prometheus": {9090},
    "alertmanager": {9093},
}

#: Which secret each service may know: nobody has more than it needs.
_SECRETS: Final = {
    "migrate": {
        "GLOBALMART_POSTGRES_OWNER_PASSWORD",
        "GLOBALMART_POSTGRES_WORKER_PASSWORD",
        "GLOBALMART_POSTGRES_READER_PASSWORD",
    },
    "worker": {"GLOBALMART_POSTGRES_WORKER_PASSWORD"},
    "api": {"GLOBALMART_POSTGRES_READER_PASSWORD", "MONGO_READER_PASSWORD"},
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
def test_a_secret_that_is_missing_is_named_with_its_cure(name: str, tmp_path: Path) -> None:
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


def test_another_address_binds_every_port(tmp_path: Path) -> None:
    services = resolved(copy_of_the_project(tmp_path), GLOBALMART_BIND="192.0.2.7")
    addresses = {p["host_ip"] for s in services.values() for p in s.get("ports", [])}
    assert addresses == {"192.0.2.7"}


def test_memory_fits_together(docker_stack: DockerStack) -> None:
    limits = {name: int(s["mem_limit"]) for name, s in docker_stack.services.items()}
    assert sum(limits.values()) <= _BYTES_OF_8_GB


def test_the_document_names_every_limit_and_their_sums(docker_stack: DockerStack) -> None:
    text = (PROJECT / "compose" / "README.md").read_text(encoding="utf-8")
    limits = {name: int(s["mem_limit"]) // 1024**2 for name, s in docker_stack.services.items()}
    told: dict[str, int] = {}
    for names, memory in re.findall(r"^\| ((?:`[\w-]+`,? ?)+)\| [^|]+ \| ([\d, and]+) MB", text, re.M):
        figures = [int(figure.replace(",", "")) for figure in memory.split(" and ")]
        told |= dict(zip(re.findall(r"`([\w-]+)`", names), figures, strict=True))
    assert told == limits
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
        else:
            assert program in {"supercronic", "spark-class"}, name


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
    assert len(set(secrets.values())) == len(secrets) == 8
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
