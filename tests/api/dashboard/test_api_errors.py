"""What pages say when there is nothing to show, or a store, a key or the API is missing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.dashboard import api_errors
from api.dashboard.client import ApiClient
from api.dashboard.navigation import VIEWS
from api.keys import hash_of, new_key
from app.settings import DashboardSettings
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.api.dashboard.running import Dashboard, again, cards, leading_to, messages, served_in_thread
from tests.api.serving import with_api
from tests.support.databases import Database
from tests.support.waiting import wait_until

PUBLISH = "Run `globalmart batch nightly`"


async def test_empty_stores(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        "overview": "No orders in this period.",
        "customers": PUBLISH,
        "products": PUBLISH,
        "trends": PUBLISH,
        "anomalies": "No anomalies.",
        "cases": "No cases.",
        "rules": "No labels of these days.",
        "lists": "There is no list yet.",
        "operations": "Run `globalmart worker`",
    }
    assert set(expected) == {view.path for view in VIEWS}
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        for view, text in expected.items():
            page = dashboard.opened(view)
            assert text in messages(page)
            assert not page.error
            needs_a_run = "No nightly batch has been published yet" in messages(page)
            assert ("tries again every 5 s" in messages(page)) == needs_a_run, view


def test_a_country_without_orders(dashboard: Dashboard) -> None:
    for view, text in (
        ("overview", "No orders in this period."),
        ("customers", "No customers of Atlantis"),
        ("products", "No orders with a product."),
        ("trends", "No orders of"),
        ("anomalies", "No anomalies."),
    ):
        page = dashboard.opened(view, country="Atlantis", period="Everything stored")
        assert text in messages(page)
        assert page.selectbox(key="country").value == "Atlantis"


def test_postgresql_is_down(dashboard: Dashboard, stack: EmbeddedStack) -> None:
    stack.postgres.stop()
    try:
        page = dashboard.opened("overview", period="Everything stored")
        assert [each.value.split("**")[1] for each in page.error] == ["postgresql does not answer."]
        assert "GLOBALMART_POSTGRES_HOST" in messages(page)
        assert "Conversion" in cards(page), "the funnel does not need PostgreSQL"
        page = dashboard.opened("operations")
        assert "postgresql does not answer" in messages(page)
        assert len(page.dataframe) == 1, "runs of the batch are in MongoDB"
        anomalies = dashboard.opened("anomalies")
        assert "postgresql does not answer" in messages(anomalies)
    finally:
        stack.postgres.start()
    assert not again(anomalies).error


def test_mongodb_is_down(dashboard: Dashboard, stack: EmbeddedStack) -> None:
    stack.mongo.stop()
    try:
        # Until it looks again for another run, the API answers from what it has read of this one.
        wait_until(lambda: dashboard.opened("customers").error)
        for view in ("customers", "products", "trends"):
            page = dashboard.opened(view)
            assert [each.value.split("**")[1] for each in page.error] == ["mongodb does not answer."]
            assert "GLOBALMART_MONGO_URL" in messages(page)
        page = dashboard.opened(country="UK", period="Everything stored")
        assert "Revenue" in cards(page), "sales do not need MongoDB"
    finally:
        stack.mongo.start()


@pytest.mark.parametrize("view", [view.path for view in VIEWS])
def test_an_unreachable_api(view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with leading_to(f"http://{LOOPBACK}:{choose_port()}", monkeypatch) as dashboard:
        page = dashboard.opened(view, country="UK")
    (error,) = page.error
    assert "The REST API does not answer at" in error.value
    assert "`globalmart api`" in error.value
    assert "GLOBALMART_DASHBOARD_API_URL" in error.value
    assert page.selectbox(key="country").value == "UK"


async def test_a_key(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    settings = with_api(database.settings, key_hashes=hash_of(key))
    with served_in_thread(settings) as url:
        with leading_to(url, monkeypatch) as dashboard:
            assert "GLOBALMART_DASHBOARD_API_KEY" in messages(dashboard.opened())
        with leading_to(url, monkeypatch, api_key=key) as dashboard:
            page = dashboard.opened()
            assert not page.error
            assert cards(page)["Orders"] == "0"


async def test_a_key_that_is_used_up(database: Database) -> None:
    key = new_key()
    limits = {"key_burst": 1, "key_rate_per_second": 0.001}
    settings = with_api(database.settings, key_hashes=hash_of(key), **limits)
    with served_in_thread(settings) as url, _client(url, api_key=key) as client:
        client.get("dimensions")
        with pytest.raises(api_errors.BusyError, match="too many requests") as caught:
            client.get("dimensions")
    assert "GLOBALMART_API_KEY_RATE_PER_SECOND" in caught.value.fix


def test_an_address_the_api_refuses(dashboard: Dashboard) -> None:
    page = dashboard.opened(country="x" * 51)
    (error,) = page.error
    assert "The REST API refuses country" in messages(page)
    assert "Correct the address" in error.value


def test_what_the_api_refuses(address: str) -> None:
    with _client(address) as client:
        with pytest.raises(api_errors.RejectedError, match="refuses limit"):
            client.get("anomalies", limit=0)
        with pytest.raises(api_errors.NotFoundError):
            client.one("transactions", "a/b?c")


@pytest.mark.parametrize(("status", "body"), [(200, "<html>"), (502, "<html>"), (404, "<html>"), (500, "{}")])
def test_something_else_at_the_address(status: int, body: str) -> None:
    with (
        _answering(status, body) as url,
        _client(url) as client,
        pytest.raises(api_errors.UnexpectedAnswerError) as caught,
    ):
        client.get("dimensions")
    assert str(status) in caught.value.what


def test_a_silent_address_is_given_up() -> None:
    with (
        _answering(200, "{}", silent=True) as url,
        _client(url, api_timeout_seconds=0.2) as client,
        pytest.raises(api_errors.ApiUnavailableError),
    ):
        client.get("dimensions")


def _client(url: str, **settings: object) -> ApiClient:
    return ApiClient(DashboardSettings.model_validate({"api_url": url, **settings}))


@contextmanager
def _answering(status: int, body: str, *, silent: bool = False) -> Iterator[str]:
    """The address of a server that is not our API."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if silent:
                released.wait(30)
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
