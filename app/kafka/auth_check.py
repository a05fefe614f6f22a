"""Checks whether brokers accept a client's credentials and certificates, and names the setting to correct."""

import ssl
import time
from contextlib import suppress
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException

from app.errors import SettingsError
from app.security.kafka import aiokafka_security, refused, untrusted
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


_ATTEMPT_SECONDS: Final = 2.0
_ADVICE: Final = {LibrdkafkaError._SSL: untrusted, LibrdkafkaError._AUTHENTICATION: refused}


class BrokerRefusals:
    """An `error_cb` that keeps why brokers reject this client and which setting to correct."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, error: LibrdkafkaError) -> None:
        """Keeps an error that only a changed setting ends; ignores errors that may pass."""
        if error.code() in _ADVICE:
            self.last = _ADVICE[error.code()](error.str())


def list_topics(client: Any, refusals: BrokerRefusals, seconds: float) -> Any:
    """Returns the cluster's metadata; raises KafkaException after a time-out, or at once when brokers reject us."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.list_topics(timeout=_ATTEMPT_SECONDS)
        except KafkaException:
            client.poll(0)  # serves the callback
            if refusals.last or time.monotonic() > deadline:
                raise
