"""A pause after each failed metadata request.

aiokafka's fetcher and sender repeat such a request at once: while no broker answers, thousands of times a second, each
with two lines in the log, on the same cores that a broker on this machine needs to start again.
"""

import asyncio
from typing import Any, Final

from aiokafka.client import AIOKafkaClient

_PAUSE_SECONDS: Final = 0.25


def back_off_after_failures(client: AIOKafkaClient) -> None:
    """Makes the client pause after a failed metadata request."""
    attempt = client._metadata_update

    async def update(cluster_metadata: Any, topics: Any) -> bool:
        if await attempt(cluster_metadata, topics):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
        return False

    client._metadata_update = update
