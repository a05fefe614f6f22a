"""Certificates, a Kafka that asks for TLS and a password, and a PostgreSQL that asks for TLS."""

from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from app.java import find_java
from compose.embedded.guard import Guard
from compose.embedded.kafka_broker import KafkaServer, SecureListener
from compose.embedded.kafka_jars import ensure_jars
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.postgres_server import remove_home
from compose.embedded.server import Workspace
from compose.embedded.stack import EmbeddedStack
from tests.security.authority import Certificates, issue
from tests.security.commands import globalmart
from tests.security.encrypted_postgres import EncryptedPostgres
from tests.security.shop import SecureShop
from tests.support.databases import database
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["database"]

USER = "shop"
PASSWORD = "sec=ret,with'odd\"things"  # example-only
_NUMBERS = count(1)
_PREFIX = "listener.name.sasl_ssl."


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Files of an authority made for this run."""
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def secure_kafka(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureShop]:
    """A broker whose one public listener is SASL_SSL, for PLAIN and SCRAM-SHA-512."""
    folder = tmp_path_factory.mktemp("secure-kafka")
    listener = SecureListener(choose_port(), _properties(certificates))
    java = find_java()
    with Guard(folder) as guard:
        workspace = Workspace(folder, guard, lambda _: None)
        jars = ensure_jars(java, lambda _: None)
        kafka = KafkaServer(workspace, choose_port(), java, jars, listener)
        kafka.start()
        try:
            _add_scram_user(kafka.bootstrap)
            yield SecureShop(f"{LOOPBACK}:{listener.port}", USER, PASSWORD, certificates)
        finally:
            kafka.stop()


def _properties(certificates: Certificates) -> dict[str, str]:
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{quoted}";'
    return {
        f"{_PREFIX}ssl.keystore.type": "PEM",
        f"{_PREFIX}ssl.keystore.location": str(certificates.keystore),
        f"{_PREFIX}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{_PREFIX}plain.sasl.jaas.config": plain.replace("\\", "\\\\"),
        f"{_PREFIX}scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }


def _add_scram_user(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertion = UserScramCredentialUpsertion(USER, kind, PASSWORD.encode())
    for answer in admin.alter_user_scram_credentials([upsertion]).values():
        answer.result(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def encrypted_postgres(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncryptedPostgres]:
    """A PostgreSQL that accepts connections with TLS only."""
    folder = tmp_path_factory.mktemp("encrypted-postgres")
    with Guard(folder) as guard:
        postgres = EncryptedPostgres(Workspace(folder, guard, lambda _: None), certificates)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
            remove_home(folder)


@pytest.fixture(scope="module")
def over_tls(encrypted_postgres: EncryptedPostgres, stack: EmbeddedStack) -> dict[str, str]:
    """Variables that lead to a migrated database of its own there, and to the run's other servers."""
    name = f"tls_{next(_NUMBERS)}"
    encrypted_postgres.create_database(name)
    own = {"GLOBALMART_POSTGRES_DATABASE": name, "GLOBALMART_MONGO_DATABASE": f"dw_{name}"}
    variables = stack.environment() | encrypted_postgres.variables | own
    globalmart(variables, "migrate")
    return variables
