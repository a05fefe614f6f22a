"""PostgreSQL over TLS: who is trusted, and what is said when nobody is."""

from pathlib import Path

import asyncpg
import pytest

from app.errors import SettingsError
from app.postgres.connecting import connect_worker, reader_pool
from app.settings import PostgresSettings
from batch.postgres import connect as connect_batch
from compose.embedded.stack import EmbeddedStack
from tests.databases import Database
from tests.security.authority import Certificates
from tests.security.terminator import ELSEWHERE, TlsTerminator


def _settings(
    database: Database, stack: EmbeddedStack, port: int, sslmode: str,
    ca_file: Path | None = None, **more: str,
) -> PostgresSettings:  # fmt: skip
    variables = stack.environment() | {
        "GLOBALMART_POSTGRES_DATABASE": database.name,
        "GLOBALMART_POSTGRES_PORT": str(port),
        "GLOBALMART_POSTGRES_SSLMODE": sslmode,
        "GLOBALMART_POSTGRES_CA_FILE": str(ca_file or ""),
        **more,
    }
    return PostgresSettings.read(variables)


@pytest.mark.parametrize("sslmode", ["verify-full", "verify-ca"])
async def test_the_server_s_certificate_is_verified(
    database: Database, stack: EmbeddedStack, certificates: Certificates, sslmode: str,
    encrypting_postgres: TlsTerminator,
) -> None:  # fmt: skip
    settings = _settings(database, stack, encrypting_postgres.port, sslmode, certificates.authority)
    worker = await connect_worker(settings, "test")
    await worker.close()
    async with reader_pool(settings, "test", connections=1, query_seconds=5) as pool:
        assert await pool.fetchval("SELECT 1") == 1
    with connect_batch(settings, "test") as batch, batch.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert encrypting_postgres.handshakes >= 3


@pytest.mark.parametrize("sslmode", ["require", "prefer"])
async def test_encryption_without_trust(
    database: Database, stack: EmbeddedStack, sslmode: str, encrypting_postgres: TlsTerminator
) -> None:
    settings = _settings(database, stack, encrypting_postgres.port, sslmode)
    worker = await connect_worker(settings, "test")
    await worker.close()
    assert encrypting_postgres.handshakes == 1


async def test_without_encryption_nothing_gets_through(
    database: Database, stack: EmbeddedStack, encrypting_postgres: TlsTerminator
) -> None:
    with pytest.raises(asyncpg.PostgresConnectionError):
        await connect_worker(
            _settings(database, stack, encrypting_postgres.port, "disable"), "test"
        )
    assert encrypting_postgres.handshakes == 0


async def test_a_stranger_s_certificate_is_refused(
    database: Database,
    stack: EmbeddedStack,
    certificates: Certificates,
    encrypting_postgres: TlsTerminator,
) -> None:
    settings = _settings(
        database, stack, encrypting_postgres.port, "verify-ca", certificates.stranger
    )
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_CA_FILE"):
        await connect_worker(settings, "test")


async def test_the_host_s_name_is_checked(
    database: Database, stack: EmbeddedStack, certificates: Certificates,
    encrypting_postgres: TlsTerminator,
) -> None:  # fmt: skip
    """The certificate is for 127.0.0.1 and says nothing of other addresses of this machine."""
    other_name = {"GLOBALMART_POSTGRES_HOST": ELSEWHERE}
    port = encrypting_postgres.port
    settings = _settings(database, stack, port, "verify-full", certificates.authority, **other_name)
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_HOST"):
        await connect_worker(settings, "test")


async def test_a_server_without_tls_is_refused_where_tls_is_required(
    database: Database, stack: EmbeddedStack
) -> None:
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_SSLMODE"):
        await connect_worker(_settings(database, stack, stack.postgres.port, "require"), "test")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SSLMODE": "verify-full"}, "CA_FILE"),
        ({"CA_FILE": "ca.pem"}, "SSLMODE"),
        ({"SSLMODE": "prefer", "CERTIFICATE_FILE": "c.pem"}, "SSLMODE require"),
        ({"SSLMODE": "require", "KEY_FILE": "k.pem"}, "CERTIFICATE_FILE"),
    ],
)
def test_settings_that_do_not_fit_together(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        PostgresSettings.read(
            {f"GLOBALMART_POSTGRES_{name}": text for name, text in variables.items()}
        )
