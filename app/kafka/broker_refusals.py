"""Why brokers refuse a client of confluent-kafka: it reports that to a callback, not to the call that fails.

Apart from `auth_check`, which needs aiokafka: the batch's image has only this client.
"""

import time
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from app.security import refused, untrusted

#: A refusal is noticed at the end of an attempt, so the first ones are short; a slow broker gets longer ones.
_FIRST_ATTEMPT_SECONDS: Final = 0.25
_LONGEST_ATTEMPT_SECONDS: Final = 2.0
_ADVICE: Final = {KafkaError._SSL: untrusted, KafkaError._AUTHENTICATION: refused}


class BrokerRefusals:
    """An `error_cb` that keeps why brokers reject this client and which setting to correct."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, error: KafkaError) -> None:
        """Keeps an error that only a changed setting ends; ignores errors that may pass."""
        if error.code() in _ADVICE:
            self.last = _ADVICE[error.code()](error.str())


def list_topics(client: Any, refusals: BrokerRefusals, seconds: float) -> Any:
    """Returns the cluster's metadata; raises KafkaException after a time-out, or at once when brokers reject us."""
    deadline = time.monotonic() + seconds
    attempt_seconds = _FIRST_ATTEMPT_SECONDS
    while True:
        try:
            return client.list_topics(timeout=attempt_seconds)
        except KafkaException:
            client.poll(0)  # serves the callback
            if refusals.last or time.monotonic() > deadline:
                raise
            attempt_seconds = min(2 * attempt_seconds, _LONGEST_ATTEMPT_SECONDS)
