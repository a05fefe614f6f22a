"""Checks whether brokers accept a client's credentials and certificates, and names the setting to correct."""

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
from app.security import aiokafka_security, refused, untrusted
from app.settings import KafkaSettings

_ANSWER_MS: Final = 5000
_REFUSED: Final = (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError)


async def check_broker_auth(kafka: KafkaSettings) -> None:
    """Raises SettingsError when the first broker rejects the login or is not trusted; ignores an unavailable one."""
    host, _, port = kafka.bootstrap.split(",")[0].strip().rpartition(":")
    try:
        with suppress(TimeoutError, KafkaError, OSError):
            await _connect_once(kafka, host, int(port))
    except _Refusal as error:
        raise SettingsError(str(error)) from error.__cause__


class _Refusal(Exception):  # noqa: N818 - passes the suppressed errors
    """The login or the certificate was rejected; the message names the setting to correct."""


async def _connect_once(kafka: KafkaSettings, host: str, port: int) -> None:
    try:
        connection = await create_conn(host, port, request_timeout_ms=_ANSWER_MS, **aiokafka_security(kafka))
    except ssl.SSLCertVerificationError as error:
        raise _Refusal(untrusted(error.verify_message)) from error
    except _REFUSED as error:
        raise _Refusal(refused(error)) from error
    connection.close()
