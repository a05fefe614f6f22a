"""The composition root of the dashboard: settings, client, filters, and the requested page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from api.dashboard import components, sidebar
from api.dashboard.address import read_address
from api.dashboard.api_errors import ApiUnavailableError, NotPublishedError, StoreDownError
from api.dashboard.client import ApiClient
from api.dashboard.page import Page
from api.dashboard.palette import Palette, palette
from api.dashboard.views import anomalies, cases, customers, lists, operations, overview, products, rules, trends
from app.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class View:
    """A page in the menu."""

    path: str
    title: str
    icon: str
    show: Callable[[Page], None]


_RETRY_SECONDS: Final = 5
#: Errors that may be over at the next attempt.
_TRANSIENT: Final = (ApiUnavailableError, NotPublishedError, StoreDownError)
VIEWS: Final = (
    View("overview", "Overview", ":material/monitoring:", overview.show),
    View("customers", "Customers", ":material/groups:", customers.show),
    View("products", "Products", ":material/inventory_2:", products.show),
    View("trends", "Trends", ":material/trending_up:", trends.show),
    View("anomalies", "Anomalies", ":material/notification_important:", anomalies.show),
    View("cases", "Cases", ":material/assignment_late:", cases.show),
    View("rules", "Rules", ":material/rule:", rules.show),
    View("lists", "Lists", ":material/list_alt:", lists.show),
    View("operations", "Operations", ":material/settings_heart:", operations.show),
)


def show(landing: str = "overview") -> None:
    """Shows one page; `landing` is the one at the root URL."""
    st.set_page_config("GlobalMart", "🛒", layout="wide")
    st.logo(_logo(palette()), size="large")
    settings = _settings()
    client = _client(settings)
    menu = {st.Page(_nothing, title=v.title, icon=v.icon, url_path=v.path, default=v.path == landing): v for v in VIEWS}
    view = menu[st.navigation(list(menu))]
    address = read_address(view.path)
    chosen = sidebar.choose(client, address, datetime.now(UTC))
    page = Page(client, address, chosen, settings.dashboard.refresh_seconds)
    components.heading(view.title)
    misread = st.empty()
    with misread:
        address.say()
    try:
        view.show(page)
    except ApiUnavailableError as error:
        page.shown_errors[error.what] = error
        components.show_error(error)
    with misread:  # the page has choices of its own
        address.say()
    if any(isinstance(error, _TRANSIENT) for error in page.shown_errors.values()):
        _retry()


def _logo(colours: Palette) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="190" height="32" viewBox="0 0 190 32">'
        f'<rect width="28" height="28" x="0" y="2" rx="7" fill="{colours.current}"/>'
        '<path d="M7 22V17M12 22V12M17 22V15M22 22V9" stroke="white" stroke-width="3" stroke-linecap="round"/>'
        f'<text x="38" y="23" font-family="sans-serif" font-size="20" font-weight="600" fill="{colours.text}">'
        "GlobalMart</text></svg>"
    )


def _nothing() -> None:
    """Placeholder for a page in the menu; `show` calls the page itself."""


def _retry() -> None:
    """Reruns the page after a pause, because the error may be over."""
    waited: list[bool] = []

    def again() -> None:
        if waited:
            st.rerun()
        waited.append(True)
        st.caption(f"This page tries again every {_RETRY_SECONDS} s.")

    st.fragment(run_every=_RETRY_SECONDS)(again)()


@st.cache_resource(show_spinner=False)
def _settings() -> Settings:
    return load_settings()


@st.cache_resource(show_spinner=False, on_release=ApiClient.close)
def _client(_settings: Settings) -> ApiClient:
    """Returns one client for all browsers."""
    return ApiClient(_settings.dashboard)
