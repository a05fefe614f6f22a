"""Why brokers refuse a client of confluent-kafka: it tells a callback, and not the call that fails."""

import time
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from app.security.kafka import refused, untrusted

_ATTEMPT_SECONDS: Final = 2.0
_ADVICE: Final = {KafkaError._SSL: untrusted, KafkaError._AUTHENTICATION: refused}


class BrokerRefusals:
    """An `error_cb` that remembers why brokers refuse us and which setting is to be corrected."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, error: KafkaError) -> None:
        """Take note; what waiting may cure is left out."""
        if error.code() in _ADVICE:
            self.last = _ADVICE[error.code()](error.str())


def list_topics(client: Any, refusals: BrokerRefusals, seconds: float) -> Any:
    """The cluster's metadata; raises KafkaException when there is none in time, at once when brokers refuse us."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.list_topics(timeout=_ATTEMPT_SECONDS)
        except KafkaException:
            client.poll(0)  # serves the callback
            if refusals.last or time.monotonic() > deadline:
                raise
