"""PostgreSQL over TLS: who is trusted, and what is said when nobody is."""

from typing import Final

import pytest

from app.errors import SettingsError
from app.postgres.connections import connect_worker, reader_pool
from app.settings import PostgresSettings
from batch.adbc import connect as connect_batch
from compose.embedded.stack import EmbeddedStack
from tests.security.authority import Certificates
from tests.security.encrypted_postgres import CERTIFIED, ELSEWHERE, EncryptedPostgres
from tests.support.databases import Database

_ENCRYPTED: Final = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def _settings(variables: dict[str, str], **changes: object) -> PostgresSettings:
    """Settings with some changed, named without their prefix."""
    changed = {f"GLOBALMART_POSTGRES_{name}": str(value) for name, value in changes.items()}
    return PostgresSettings.read(variables | changed)


async def _is_encrypted(settings: PostgresSettings) -> bool:
    connection = await connect_worker(settings, "test")
    encrypted: bool = await connection.fetchval(_ENCRYPTED)
    await connection.close()
    return encrypted


@pytest.mark.parametrize("sslmode", ["verify-full", "verify-ca"])
async def test_the_server_s_certificate_is_verified(over_tls: dict[str, str], sslmode: str) -> None:
    settings = _settings(over_tls, SSLMODE=sslmode)
    assert await _is_encrypted(settings)
    async with reader_pool(settings, "test", connections=1, query_seconds=5) as pool:
        assert await pool.fetchval(_ENCRYPTED)
    with connect_batch(settings, "test") as batch, batch.cursor() as cursor:
        cursor.execute(_ENCRYPTED)
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize("sslmode", ["require", "prefer"])
async def test_encryption_without_trust(over_tls: dict[str, str], sslmode: str) -> None:
    assert await _is_encrypted(_settings(over_tls, SSLMODE=sslmode, CA_FILE=""))


async def test_without_encryption_nothing_gets_through(over_tls: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_SSLMODE to require"):
        await connect_worker(_settings(over_tls, SSLMODE="disable", CA_FILE=""), "test")


async def test_a_stranger_s_certificate_is_refused(over_tls: dict[str, str], certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_CA_FILE"):
        await connect_worker(_settings(over_tls, CA_FILE=certificates.stranger), "test")


async def test_the_host_s_name_is_checked(over_tls: dict[str, str]) -> None:
    """The certificate is for 127.0.0.1 and says nothing of other addresses of this machine."""
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_HOST"):
        await connect_worker(_settings(over_tls, HOST=ELSEWHERE), "test")
    assert await _is_encrypted(_settings(over_tls, HOST=ELSEWHERE, SSLMODE="verify-ca"))


async def test_a_client_s_certificate_is_shown_where_one_is_asked_for(
    over_tls: dict[str, str], encrypted_postgres: EncryptedPostgres, certificates: Certificates
) -> None:
    encrypted_postgres.create_database(CERTIFIED)
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_CERTIFICATE_FILE"):
        await connect_worker(_settings(over_tls, DATABASE=CERTIFIED), "test")
    shown = {"CERTIFICATE_FILE": certificates.server, "KEY_FILE": certificates.key}
    settings = _settings(over_tls, DATABASE=CERTIFIED, **shown)
    assert await _is_encrypted(settings)
    with connect_batch(settings, "test") as batch, batch.cursor() as cursor:
        cursor.execute(_ENCRYPTED)
        assert cursor.fetchone() == (True,)


async def test_a_server_without_tls_is_refused_where_tls_is_required(database: Database, stack: EmbeddedStack) -> None:
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_SSLMODE"):
        await connect_worker(_settings(stack.environment(), SSLMODE="require"), "test")


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
        PostgresSettings.read({f"GLOBALMART_POSTGRES_{name}": text for name, text in variables.items()})
