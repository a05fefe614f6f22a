"""Growing pauses between attempts at a store that is down."""

import asyncio
from typing import Final

_FIRST_SECONDS: Final = 0.05


class Backoff:
    """Doubles from 50 ms up to a limit; one per chain of attempts."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._next_seconds = _FIRST_SECONDS

    async def pause(self) -> None:
        """Wait, and wait longer the next time."""
        await asyncio.sleep(self._next_seconds)
        self._next_seconds = min(self._next_seconds * 2, self._max_seconds)
