"""Errors between the dashboard and the API, each with its fix."""

from collections.abc import Mapping
from typing import Final

from app.errors import GlobalMartError

_STORES: Final[Mapping[str, str]] = {
    "postgresql": "The REST API cannot reach **PostgreSQL**, which holds sales, anomalies and the live "
    "figures. Start it, or correct `GLOBALMART_POSTGRES_HOST`; `globalmart doctor` and "
    "`globalmart settings` help to find out.",
    "mongodb": "The REST API cannot reach **MongoDB**, which holds customers, products and trends. "
    "Start it, or correct `GLOBALMART_MONGO_URL` of the API; `globalmart settings` shows it.",
}


class DashboardError(GlobalMartError):
    """Ends one part of a page; the other parts are still shown. `fix` is Markdown."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class ApiUnavailableError(DashboardError):
    """The API does not answer, or not in time."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The REST API does not answer at {url}",
            "Start it with `globalmart api`, or set `GLOBALMART_DASHBOARD_API_URL` to its address.",
        )


class StoreDownError(DashboardError):
    """The API answers, a store behind it does not."""

    def __init__(self, store: str) -> None:
        super().__init__(f"{store} does not answer", _STORES.get(store, f"Start {store}, then check `/ready`."))
        self.store = store


class KeyRefusedError(DashboardError):
    """The API requires a valid key."""

    def __init__(self) -> None:
        super().__init__(
            "The REST API requires a key",
            "Make one with `globalmart api-key new`, add its hash to `GLOBALMART_API_KEY_HASHES` of the "
            "API, and set `GLOBALMART_DASHBOARD_API_KEY` of the dashboard to the key.",
        )


class BusyError(DashboardError):
    """The key has used up its rate."""

    def __init__(self, retry_after: str) -> None:
        super().__init__(
            "The REST API has received too many requests",
            f"Try again in {retry_after} s, or raise `GLOBALMART_API_KEY_RATE_PER_SECOND`.",
        )


class NotFoundError(DashboardError):
    """The API has no such object."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "Check how it is written; ids are compared letter by letter.")


class NotPublishedError(DashboardError):
    """No nightly run has published the requested mart."""

    def __init__(self) -> None:
        super().__init__(
            "No nightly batch has been published yet",
            "Run `globalmart batch nightly`; its results are then shown here.",
        )


class RejectedError(DashboardError):
    """The API rejects a parameter, such as a date or a name from the page's URL."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The REST API refuses {detail}",
            "Correct the address of this page, or choose country and days on the left again.",
        )


class RefusedError(DashboardError):
    """The API refuses a change, because something in it is not valid."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Nothing was changed: {detail}", "Correct it above, then try again.")


class ConflictError(DashboardError):
    """Somebody else has changed the same thing."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Nothing was changed: {detail}", "Load this page again to see what it is now.")


class ForbiddenError(DashboardError):
    """The dashboard's key may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"Nothing was changed: {detail}",
            "Set `GLOBALMART_DASHBOARD_API_KEY` to a key of that role (`globalmart api-key new --role`).",
        )


class UnexpectedAnswerError(DashboardError):
    """Any other response, such as a fault of the API or of a proxy."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(
            f"The REST API answered {status}: {detail}",
            "See the log of `globalmart api`. Dashboard and API must have the same version.",
        )
