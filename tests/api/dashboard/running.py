"""The dashboard over a real API over real stores, run by Streamlit's own test runner."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api.application import create_app
from api.serving import ApiServer
from app.settings import Settings
from compose.embedded.ports import LOOPBACK
from compose.embedded.stack import EmbeddedStack
from tests.api.marts import AS_OF, everything
from tests.api.serving import exact
from tests.api.shop import Shop, filled
from tests.support.databases import own_database
from tests.support.waiting import PATIENCE_SECONDS, wait_until
from tests.support.warehouses import warehouse_named

_RUN_SECONDS: Final = int(PATIENCE_SECONDS)


@dataclass(frozen=True)
class Dashboard:
    """Pages of the dashboard, and the API they ask."""

    url: str

    def opened(self, view: str = "overview", /, **address: str | list[str]) -> AppTest:
        """A page as a browser would get it at this address."""
        page = AppTest.from_string(f"from api.dashboard.navigation import show\nshow({view!r})")
        for name, value in address.items():
            page.query_params[name] = value
        return again(page)

    def answer(self, path: str, **query: Any) -> Mapping[str, Any]:
        """What the API says, numbers as Decimals."""
        response = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=PATIENCE_SECONDS)
        assert response.status_code == httpx.codes.OK, response.text
        return exact(response)


def again(page: AppTest) -> AppTest:
    """Runs the page again."""
    page.run(timeout=_RUN_SECONDS)
    assert not page.exception, [(each.message, each.stack_trace) for each in page.exception]
    return page


@asynccontextmanager
async def _stores(stack: EmbeddedStack) -> AsyncIterator[Shop]:
    """A shop's orders and a published night."""
    async with own_database(stack) as database:
        shop = await filled(database)
        with warehouse_named(stack, database.settings.mongo.database) as warehouse:
            warehouse.publish(AS_OF, **everything())
            yield shop


@pytest.fixture(scope="session")
def shown(stack: EmbeddedStack) -> Iterator[Shop]:
    """Stores that all tests of the dashboard look at; what a test adds is of today."""
    with asyncio.Runner() as runner:
        stores = _stores(stack)
        yield runner.run(stores.__aenter__())
        runner.run(stores.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def address(shown: Shop) -> Iterator[str]:
    """Where the API over them is."""
    settings = shown.database.settings
    settings.mongo = settings.mongo.model_copy(update={"connect_timeout_seconds": 5.0})
    with served_in_thread(settings) as url:
        yield url


@pytest.fixture
def dashboard(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    """The dashboard over that API."""
    with leading_to(address, monkeypatch) as made:
        yield made


@contextmanager
def leading_to(url: str, patch: pytest.MonkeyPatch, **settings: str) -> Iterator[Dashboard]:
    """A dashboard with these settings, and nothing kept from one before."""
    patch.setenv("GLOBALMART_ENV_FILE", "")
    patch.setenv("GLOBALMART_DASHBOARD_API_URL", url)
    patch.setenv("GLOBALMART_DASHBOARD_API_TIMEOUT_SECONDS", str(PATIENCE_SECONDS))
    for name, value in settings.items():
        patch.setenv(f"GLOBALMART_DASHBOARD_{name.upper()}", value)
    try:
        yield Dashboard(url)
    finally:
        st.cache_resource.clear()


@contextmanager
def served_in_thread(settings: Settings, port: int = 0) -> Iterator[str]:
    """The API on a port, by default any, and an event loop of its own, as Streamlit's runner blocks the test's."""
    server = ApiServer(create_app(settings), LOOPBACK, port, "warning")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), look_seconds=0.01)
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join()


def cards(page: AppTest) -> dict[str, str]:
    """Figures by their labels."""
    return {card.label: card.value for card in page.metric}


def messages(page: AppTest) -> str:
    """Everything a page says in words, as Markdown shows it."""
    kinds = (page.caption, page.error, page.info, page.markdown, page.warning)
    return "\n".join(str(each.value) for kind in kinds for each in kind).replace("\\", "")
