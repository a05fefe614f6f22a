"""The context of a page."""

from dataclasses import dataclass, field

from api.dashboard.address import Address
from api.dashboard.api_errors import DashboardError
from api.dashboard.client import ApiClient
from api.dashboard.sidebar import Filters


@dataclass(frozen=True, slots=True)
class Page:
    """The API's client, the page's address, the filters, and the refresh interval of live figures."""

    client: ApiClient
    address: Address
    filters: Filters
    refresh_seconds: float
    #: Errors shown on this page, so that none is shown twice.
    shown_errors: dict[str, DashboardError] = field(default_factory=dict)
