"""What an operator asks follows the security of connections: doctor, status, recount, upkeep."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.kafka.admin import KafkaAdmin, create_topics
from app.kafka.offsets import cluster_id, newest_record
from app.ops.doctor.checks import run_checks
from app.ops.retention.topic_retention import set_retention, topic_retention
from app.ops.status.collect import collect_status
from app.reconcile.stream.snapshot import open_snapshot
from app.security import librdkafka_options
from app.settings import PostgresSettings, Settings
from app.topics import SOURCE_TOPICS, TOPICS
from batch.adbc import encryption
from batch.jdbc import JdbcReader
from compose.embedded.stack import EmbeddedStack
from tests.security.authority import Certificates
from tests.security.commands import globalmart
from tests.security.shop import SecureShop
from tests.security.terminator import TlsTerminator, terminating

_WRONG = "no-such-password"


@pytest.fixture
def encrypting_mongo(stack: EmbeddedStack, certificates: Certificates) -> Iterator[TlsTerminator]:
    """The run's MongoDB-protocol server behind TLS."""
    front = TlsTerminator(certificates, stack.mongo.port)
    with terminating(front):
        yield front


@pytest.fixture
def variables(
    secure_kafka: SecureShop, over_tls: dict[str, str], stack: EmbeddedStack, encrypting_mongo: TlsTerminator
) -> dict[str, str]:
    """All three stores, each by TLS alone; the topics are there."""
    kafka = secure_kafka.settings()
    create_topics(kafka.bootstrap, kafka.partitions, 1, 48.0, librdkafka_options(kafka))
    authority = str(secure_kafka.certificates.authority)
    url = stack.mongo.url.replace(f":{stack.mongo.port}", f":{encrypting_mongo.port}")
    joint = "&" if "?" in url else "?"
    return {
        **over_tls,
        **secure_kafka.environment(),
        "GLOBALMART_MONGO_URL": f"{url}{joint}directConnection=true&tls=true&tlsCAFile={authority}",
    }


async def test_doctor_and_status_see_encrypted_stores(
    variables: dict[str, str], encrypting_mongo: TlsTerminator
) -> None:
    settings = Settings(variables)
    assert await run_checks(settings) == []
    status = await collect_status(settings, 0.1)
    assert [store.problem for store in status.stores] == [None, None, None]
    assert encrypting_mongo.handshakes > 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("KAFKA_PASSWORD", "GLOBALMART_KAFKA_PASSWORD"),
        ("KAFKA_CA_FILE", "GLOBALMART_KAFKA_CA_FILE"),
        ("POSTGRES_CA_FILE", "GLOBALMART_POSTGRES_CA_FILE"),
    ],
)
async def test_doctor_and_status_name_the_setting(
    variables: dict[str, str], certificates: Certificates, wrong: str, named: str
) -> None:
    bad = _WRONG if wrong.endswith("PASSWORD") else str(certificates.stranger)
    settings = Settings(variables | {f"GLOBALMART_{wrong}": bad})
    findings = [str(finding) for finding in await run_checks(settings)]
    status = await collect_status(settings, 0.1)
    problems = [store.problem for store in status.stores if store.problem]
    assert findings
    assert problems
    for text in (*findings, *problems):
        assert named in text
        assert _WRONG not in text


def test_retention_is_read_and_set_over_tls(variables: dict[str, str]) -> None:
    """`maintain` talks to the same Kafka as the workers."""
    settings = Settings(variables | {"GLOBALMART_KAFKA_RETENTION_HOURS": "47"})
    set_retention(settings, topic_retention(settings))
    hours = {topic.topic: topic.found_ms / 3_600_000 for topic in topic_retention(settings)}
    assert hours == {topic.name: 47 for topic in TOPICS}
    assert cluster_id(settings.kafka) == str(KafkaAdmin.of(settings.kafka).metadata().cluster_id)
    newest_record(settings.kafka, SOURCE_TOPICS)


async def test_the_recount_verifies_the_server_of_its_rows(
    variables: dict[str, str], certificates: Certificates
) -> None:
    async with open_snapshot(Settings(variables).postgres) as snapshot:
        assert await snapshot.ledger() == []
    stranger = {"GLOBALMART_POSTGRES_CA_FILE": str(certificates.stranger)}
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_CA_FILE"):
        async with open_snapshot(Settings(variables | stranger).postgres):
            pass


def test_a_backup_travels_over_tls(variables: dict[str, str], tmp_path: Path) -> None:
    globalmart(variables, "backup", str(tmp_path), "--no-mongo")
    (folder,) = tmp_path.iterdir()
    globalmart(variables, "restore", str(folder), "--replace", "--no-mongo")


def test_executors_of_spark_get_the_same_settings_as_libpq(variables: dict[str, str]) -> None:
    """The JDBC driver has libpq's names; without them it would go on in clear text."""
    postgres: PostgresSettings = Settings(variables).postgres
    properties = JdbcReader(None, postgres, 1, 1)._properties("00000003-1")  # type: ignore[arg-type]
    assert encryption(postgres) == {"sslmode": "verify-full", "sslrootcert": variables["GLOBALMART_POSTGRES_CA_FILE"]}
    assert encryption(postgres).items() <= properties.items()
