"""The dashboard over a real API over real stores, run by Streamlit's own test runner."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api.app import create_app
from tests.api.serving import answered, served
from tests.databases import Database

_RUN_SECONDS: Final = 60


@dataclass(frozen=True)
class Dashboard:
    """`api` asks the same API as the dashboard does."""

    url: str
    api: httpx.AsyncClient

    async def opened(self, view: str = "overview", **address: str | list[str]) -> AppTest:
        """A page as a browser would get it at this address."""
        page = AppTest.from_string(f"from api.dashboard.shell import show\nshow({view!r})")
        for name, value in address.items():
            page.query_params[name] = value
        return await again(page)

    async def answer(self, path: str, **query: Any) -> Any:
        """What the API says, numbers as Decimals."""
        return await answered(self.api, f"/api/v1/{path}", **query)


async def again(page: AppTest) -> AppTest:
    """Run the page in a thread, as the API answers on this event loop."""
    await asyncio.to_thread(page.run, timeout=_RUN_SECONDS)
    assert not page.exception
    return page


@pytest.fixture
async def dashboard(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Dashboard]:
    """The dashboard over the test's own database and warehouse."""
    async with served(create_app(database.settings)) as url, httpx.AsyncClient(base_url=url) as api:
        lead_to(url, monkeypatch)
        yield Dashboard(url, api)


def lead_to(url: str, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Settings of the dashboard, and nothing kept from a dashboard before."""
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.setenv("GLOBALMART_DASHBOARD_API_URL", url)
    for name, value in settings.items():
        monkeypatch.setenv(f"GLOBALMART_DASHBOARD_{name.upper()}", value)
    st.cache_resource.clear()


def cards(page: AppTest) -> dict[str, str]:
    """Figures by their labels."""
    return {card.label: card.value for card in page.metric}


def told(page: AppTest) -> str:
    """Everything a page says in words."""
    kinds = (page.caption, page.error, page.info, page.markdown, page.warning)
    return "\n".join(str(each.value) for kind in kinds for each in kind)
