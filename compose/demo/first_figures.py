"""Measures the time until the demo shows its first figures."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import Protocol

import psutil

from app.patience import ANSWER_SECONDS


class Pages(Protocol):
    """The API and the dashboard."""

    api_url: str

    def dashboard_answers(self) -> bool:
        """Whether the dashboard answers."""


class FirstFigures:
    """Records when the API first answers with sales and the dashboard answers.

    `seconds` counts from the start of this process, imports included; None until then.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.seconds: float | None = None

    async def check(self) -> None:
        """Checks both, unless they have answered before."""
        if self.seconds is None and await asyncio.to_thread(self._available):
            self.seconds = time.time() - psutil.Process().create_time()

    def _available(self) -> bool:
        return has_sales(self._pages.api_url) and self._pages.dashboard_answers()


def has_sales(api_url: str) -> bool:
    """Whether the API returns any sale."""
    try:
        with urllib.request.urlopen(f"{api_url}/api/v1/sales/metrics", timeout=ANSWER_SECONDS) as answer:
            return int(json.load(answer)["total_transactions"]) > 0
    except (OSError, urllib.error.URLError):
        return False
