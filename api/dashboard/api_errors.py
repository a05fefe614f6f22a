"""Errors between the dashboard and the API, each with its fix."""

from collections.abc import Mapping
from typing import ClassVar, Final

from app.errors import GlobalMartError

_STORES: Final[Mapping[str, str]] = {
    "postgresql": "The REST API cannot reach **PostgreSQL**, which holds sales, anomalies and the live "
    "figures. Start it, or correct `GLOBALMART_POSTGRES_HOST`; `globalmart doctor` and "
    "`globalmart settings` help to find out.",
    "mongodb": "The REST API cannot reach **MongoDB**, which holds customers, products and trends. "
    "Start it, or correct `GLOBALMART_MONGO_URL` of the API; `globalmart settings` shows it.",
}
_UNCHANGED: Final = "Nothing was changed: {}"


class DashboardError(GlobalMartError):
    """Ends one part of a page; the other parts are still shown. `fix` is Markdown.

    A subclass has the texts of both, into which the arguments of an error are put.
    """

    WHAT: ClassVar[str]
    FIX: ClassVar[str]

    def __init__(self, *details: object) -> None:
        super().__init__(self.WHAT.format(*details))
        self.what = str(self)
        self.fix = self.FIX.format(*details)


class ApiUnavailableError(DashboardError):
    """The API does not answer at an address, or not in time."""

    WHAT = "The REST API does not answer at {}"
    FIX = "Start it with `globalmart api`, or set `GLOBALMART_DASHBOARD_API_URL` to its address."


class StoreDownError(DashboardError):
    """The API answers, a store behind it does not."""

    WHAT = "{} does not answer"
    FIX = "Start {}, then check `/ready`."

    def __init__(self, store: str) -> None:
        super().__init__(store)
        self.store = store
        self.fix = _STORES.get(store, self.fix)


class KeyRefusedError(DashboardError):
    """The API requires a valid key."""

    WHAT = "The REST API requires a key"
    FIX = (
        "Make one with `globalmart api-key new`, add its hash to `GLOBALMART_API_KEY_HASHES` of the "
        "API, and set `GLOBALMART_DASHBOARD_API_KEY` of the dashboard to the key."
    )


class BusyError(DashboardError):
    """The key has used up its rate; the argument is in how many seconds it has one again."""

    WHAT = "The REST API has received too many requests"
    FIX = "Try again in {} s, or raise `GLOBALMART_API_KEY_RATE_PER_SECOND`."


class NotFoundError(DashboardError):
    """The API has no such object."""

    WHAT = "{}"
    FIX = "Check how it is written; ids are compared letter by letter."


class NotPublishedError(DashboardError):
    """No nightly run has published the requested mart."""

    WHAT = "No nightly batch has been published yet"
    FIX = "Run `globalmart batch nightly`; its results are then shown here."


class RejectedError(DashboardError):
    """The API rejects a parameter, such as a date or a name from the page's URL."""

    WHAT = "The REST API refuses {}"
    FIX = "Correct the address of this page, or choose country and days on the left again."


class RefusedError(DashboardError):
    """The API refuses a change, because something in it is not valid."""

    WHAT = _UNCHANGED
    FIX = "Correct it above, then try again."


class ConflictError(DashboardError):
    """Somebody else has changed the same thing."""

    WHAT = _UNCHANGED
    FIX = "Load this page again to see what it is now."


class ForbiddenError(DashboardError):
    """The dashboard's key may not do this."""

    WHAT = _UNCHANGED
    FIX = "Set `GLOBALMART_DASHBOARD_API_KEY` to a key of that role (`globalmart api-key new --role`)."


class UnexpectedAnswerError(DashboardError):
    """Any other response, its status and its reason, such as a fault of the API or of a proxy."""

    WHAT = "The REST API answered {}: {}"
    FIX = "See the log of `globalmart api`. Dashboard and API must have the same version."
