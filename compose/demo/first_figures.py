"""How long the demo takes until there is something to see."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import Protocol

import psutil

from compose.patience import ANSWER_SECONDS


class Pages(Protocol):
    """The API and the dashboard over it."""

    api_url: str

    def dashboard_answers(self) -> bool:
        """Whether the dashboard does."""


class FirstFigures:
    """Notes the moment the API first answers with sales, and the dashboard answers.

    `seconds` counts from the start of this process, so what its imports took is in it; None until then.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.seconds: float | None = None

    async def look(self) -> None:
        """Ask both until it has happened."""
        if self.seconds is None and await asyncio.to_thread(self._are_there):
            self.seconds = time.time() - psutil.Process().create_time()

    def _are_there(self) -> bool:
        return has_sales(self._pages.api_url) and self._pages.dashboard_answers()


def has_sales(api_url: str) -> bool:
    """Whether the API tells any sale at all."""
    try:
        with urllib.request.urlopen(f"{api_url}/api/v1/sales/metrics", timeout=ANSWER_SECONDS) as answer:
            return int(json.load(answer)["total_transactions"]) > 0
    except (OSError, urllib.error.URLError):
        return False
