"""Settings of the REST API."""

import re
from typing import ClassVar, Final, Self

from pydantic import SecretStr, model_validator

from app.settings.group import Port, SettingsGroup, setting

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class ApiSettings(SettingsGroup):
    """The REST API process; it listens on GLOBALMART_BIND."""

    GROUP: ClassVar[str] = "API_"
    port: Port = setting(8000, "TCP port of the REST API")
    pool_connections: int = setting(8, "PostgreSQL connections the API keeps open at most", ge=1, le=100)
    query_seconds: float = setting(5.0, "limit for one query of the API", unit="s", gt=0)
    retry_after_seconds: int = setting(2, "when a client should ask again while a store is down", unit="s", ge=1)
    page_limit_default: int = setting(100, "rows of a page unless asked otherwise", ge=1)
    page_limit_max: int = setting(1000, "largest page that may be asked for", ge=1, le=100_000)
    body_max_bytes: int = setting(65_536, "largest request body", unit="B", ge=0)
    key_hashes: SecretStr | None = setting(
        None, "SHA-256 hashes of the API keys, comma separated; unset asks for no key"
    )
    key_rate_per_second: float = setting(50.0, "requests a key may make in the long run", unit="1/s", gt=0)
    key_burst: int = setting(200, "requests a key may make at once after a pause", ge=1)
    cors_origins: str = setting("", "origins whose pages may call the API, comma separated, or *; none if empty")
    history_cache_size: int = setting(500, "sums over days before today that are kept in memory", ge=1, le=100_000)
    history_cache_seconds: float = setting(
        30.0, "age at which such a sum is computed again; one twice as old is not served", unit="s", gt=0
    )
    run_cache_size: int = setting(
        256, "answers kept in memory for the published run of the warehouse", ge=1, le=100_000
    )
    run_poll_seconds: float = setting(1.0, "time between checks for a newly published run", unit="s", gt=0)
    run_prepare_seconds: float = setting(
        120.0, "limit for one sum over a whole mart, made once per published run", unit="s", gt=0
    )
    stream_heartbeat_seconds: float = setting(
        15.0, "pause after which a quiet event stream sends a comment", unit="s", gt=0
    )
    stream_poll_seconds: float = setting(
        2.0, "longest wait of an event stream for a notification before it queries by itself", unit="s", gt=0
    )
    stream_ticket_seconds: int = setting(
        60, "how long a ticket opens an event stream in the place of a key", unit="s", ge=1, le=3600
    )
    stream_clients_max: int = setting(100, "event streams open at once", ge=1)

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.page_limit_default > self.page_limit_max:
            raise ValueError("PAGE_LIMIT_DEFAULT must be at most PAGE_LIMIT_MAX")
        if any(_HASH.fullmatch(digest) is None for digest in self.hashes):
            raise ValueError("KEY_HASHES must be hashes as `globalmart api-key new` prints them")
        return self

    @property
    def hashes(self) -> frozenset[str]:
        """Hashes of the keys that are accepted; empty when no key is asked for."""
        text = self.key_hashes.get_secret_value() if self.key_hashes else ""
        return frozenset(_parts(text))

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins for CORS without blanks."""
        return _parts(self.cors_origins)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)
