"""Whether brokers let us in: aiokafka's clients log the reason and raise only that no broker could be used."""

import ssl
from contextlib import suppress
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from app.errors import SettingsError
from app.security.kafka import aiokafka_security, refused, untrusted
from app.settings import KafkaSettings

_ANSWER_MS: Final = 5000
_REFUSED: Final = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


async def require_admission(kafka: KafkaSettings) -> None:
    """Raises SettingsError when the first broker refuses us, or is not whom we trust; silent when it is away."""
    host, _, port = kafka.bootstrap.split(",")[0].strip().rpartition(":")
    try:
        with suppress(TimeoutError, KafkaError, OSError):
            await _connect_once(kafka, host, int(port))
    except _Refusal as error:
        raise SettingsError(str(error)) from error.__cause__


class _Refusal(Exception):  # noqa: N818 - carries the advice past what is suppressed
    """What to correct."""


async def _connect_once(kafka: KafkaSettings, host: str, port: int) -> None:
    try:
        connection = await create_conn(
            host, port, request_timeout_ms=_ANSWER_MS, **aiokafka_security(kafka)
        )
    except ssl.SSLCertVerificationError as error:
        raise _Refusal(untrusted(error.verify_message)) from error
    except _REFUSED as error:
        raise _Refusal(refused(error)) from error
    connection.close()
