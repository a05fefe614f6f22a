"""A pause after each attempt to learn where Kafka's partitions are that failed.

aiokafka's fetching and sending ask again the moment such an attempt ends: while no broker answers, thousands of
times a second, each with two lines in the log, on the very cores a broker on this machine needs to come back.
"""

import asyncio
from typing import Any, Final

from aiokafka.client import AIOKafkaClient

_PAUSE_SECONDS: Final = 0.25


def back_off_after_failures(client: AIOKafkaClient) -> None:
    """Let everybody who waits for the client's next attempt wait a little longer once one has failed."""
    attempt = client._metadata_update

    async def patient(cluster_metadata: Any, topics: Any) -> bool:
        if await attempt(cluster_metadata, topics):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
        return False

    client._metadata_update = patient
