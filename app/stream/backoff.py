"""Exponential backoff between attempts to reach a store."""

import asyncio
from typing import Final

_FIRST_SECONDS: Final = 0.05


class Backoff:
    """Pauses that double from 50 ms up to a limit; one object per sequence of attempts."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._next_seconds = _FIRST_SECONDS

    async def pause(self) -> None:
        """Sleeps, and doubles the next pause."""
        await asyncio.sleep(self._next_seconds)
        self._next_seconds = min(self._next_seconds * 2, self._max_seconds)
