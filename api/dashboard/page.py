"""What a page is given."""

from dataclasses import dataclass, field

from api.dashboard.address import Address
from api.dashboard.client import ApiClient
from api.dashboard.errors import DashboardError
from api.dashboard.filters import Filters


@dataclass(frozen=True, slots=True)
class Page:
    """The API, the page's address, what it is about, and the pause between two readings of live figures."""

    client: ApiClient
    address: Address
    filters: Filters
    refresh_seconds: float
    #: What has been told on this page already, so that it is not told again.
    told: dict[str, DashboardError] = field(default_factory=dict)
