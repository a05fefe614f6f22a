"""Both client libraries over TLS with a password; what is wrong is said with the name of its setting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import GlobalMartError, SettingsError
from app.generator.sender import KafkaSender, producer_config
from app.kafka.admin import create_topics
from app.kafka.reader import KafkaReader
from app.reconcile.stream.recount import reconcile
from app.security import librdkafka_options
from app.settings import GeneratorSettings, KafkaSettings, Settings
from compose.embedded.stack import EmbeddedStack
from tests.faults.processes import WorkerProcess
from tests.security.commands import globalmart
from tests.security.shop import SecureShop
from tests.support.databases import Database
from tests.support.waiting import wait_until

_WRONG = "no-such-password"


def _environment(shop: SecureShop, database: Database, stack: EmbeddedStack) -> dict[str, str]:
    environ = stack.environment() | {"GLOBALMART_POSTGRES_DATABASE": database.name}
    return environ | shop.environment() | {"GLOBALMART_KAFKA_GROUP": database.name}


def _wait_until(true: Callable[[], bool], worker: WorkerProcess) -> None:
    wait_until(lambda: worker.exit_code is not None or true(), worker.tail)
    assert worker.exit_code is None, worker.tail()


async def test_generator_worker_and_recount_over_tls_with_a_password(
    secure_kafka: SecureShop, over_tls: dict[str, str], tmp_path: Path
) -> None:
    """All of them talk TLS to PostgreSQL, too; not one password is in any output."""
    environ = over_tls | secure_kafka.environment()
    output = globalmart(environ, "migrate")
    output += globalmart(environ, "generate", "--max", "--count", "800", "--seed", "5")
    worker = WorkerProcess(tmp_path / "worker.log", environ)
    try:
        _wait_until(lambda: _committed(worker) >= 800, worker)
        assert (await reconcile(Settings(environ))).agrees
        assert worker.stop() == 0, worker.tail()
    finally:
        if worker.exit_code is None:
            worker.kill()
    output += worker.log() + globalmart(environ, "settings")
    assert [name for name, value in environ.items() if "PASSWORD" in name and value in output] == []


def _committed(worker: WorkerProcess) -> float:
    if "metrics on" not in worker.log():
        return 0
    return worker.metric("globalmart_events_total")


# --- what is wrong is named ---


def _topics(kafka: KafkaSettings) -> None:
    create_topics(kafka.bootstrap, 6, 1, 48.0, librdkafka_options(kafka))


def _generator(kafka: KafkaSettings) -> None:
    config = producer_config(kafka, GeneratorSettings.read({}), bulk=False)
    KafkaSender(config, lambda _: None, lambda: False).wait_for_broker()


async def _recount(kafka: KafkaSettings) -> None:
    with KafkaReader(librdkafka_options(kafka)) as reader:
        await reader.cluster_id()


@pytest.mark.parametrize("client", [_topics, _generator, _recount])
async def test_confluent_clients_name_the_setting(
    secure_kafka: SecureShop, client: Callable[[KafkaSettings], Any]
) -> None:
    wrong_ca = secure_kafka.settings(ca_file=secure_kafka.certificates.stranger)  # type: ignore[arg-type]
    wrong_password = secure_kafka.settings(password=_WRONG, mechanism="PLAIN")
    for settings, variable in ((wrong_ca, "CA_FILE"), (wrong_password, "PASSWORD")):
        with pytest.raises(GlobalMartError, match=f"GLOBALMART_KAFKA_{variable}") as caught:
            answer = client(settings)
            if answer is not None:
                await answer
        assert _WRONG not in str(caught.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_the_right_password_is_admitted(secure_kafka: SecureShop, mechanism: str) -> None:
    await _recount(secure_kafka.settings(mechanism=mechanism))


@pytest.mark.parametrize(
    ("wrong", "variable"), [({"password": _WRONG}, "PASSWORD"), ({"mechanism": "SCRAM-SHA-256"}, "SASL_MECHANISM")]
)
async def test_a_worker_that_is_refused_names_the_setting(
    secure_kafka: SecureShop,
    database: Database,
    stack: EmbeddedStack,
    tmp_path: Path,
    wrong: dict[str, str],
    variable: str,
) -> None:
    environ = _environment(secure_kafka, database, stack) | secure_kafka.environment(**wrong)  # type: ignore[arg-type]
    worker = WorkerProcess(tmp_path / "worker.log", environ)
    assert worker.wait() != 0
    assert f"GLOBALMART_KAFKA_{variable}" in worker.tail()
    assert _WRONG not in worker.log()


async def test_a_worker_that_does_not_trust_the_broker_names_the_setting(
    secure_kafka: SecureShop, database: Database, stack: EmbeddedStack, tmp_path: Path
) -> None:
    stranger = secure_kafka.certificates.stranger
    environ = _environment(secure_kafka, database, stack) | secure_kafka.environment(ca_file=stranger)
    worker = WorkerProcess(tmp_path / "worker.log", environ)
    assert worker.wait() != 0
    assert "GLOBALMART_KAFKA_CA_FILE" in worker.tail()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SECURITY": "sasl_ssl"}, "USER and PASSWORD"),
        ({"SECURITY": "tls"}, "GLOBALMART_KAFKA_SECURITY"),
        ({"CA_FILE": "ca.pem"}, "CA_FILE"),
        ({"SECURITY": "ssl", "KEY_FILE": "key.pem"}, "CERTIFICATE_FILE"),
    ],
)
def test_settings_that_do_not_fit_together(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        KafkaSettings.read({f"GLOBALMART_KAFKA_{name}": text for name, text in variables.items()})


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        settings = KafkaSettings(security="ssl", ca_file=path)
        with pytest.raises(SettingsError, match="GLOBALMART_KAFKA_CA_FILE"):
            librdkafka_options(settings)
