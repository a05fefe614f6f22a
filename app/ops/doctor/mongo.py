"""The checks of MongoDB by `globalmart doctor`."""

import time
from collections.abc import Iterator
from typing import Final

from app.errors import GlobalMartError
from app.ops.doctor.findings import Finding, from_error
from app.ops.status.batch_runs import open_database
from app.published_run import POINTER
from app.settings import MongoSettings

_AREA: Final = "MongoDB"
_OLDEST_VERSION: Final = 6
_CLOCK_SECONDS: Final = 5.0


def check_mongo(settings: MongoSettings) -> list[Finding]:
    """Checks login, version and clock."""
    try:
        with open_database(settings) as database:
            before = time.time()
            theirs = database.command("hello")["localTime"].timestamp()
            skew = theirs - (before + time.time()) / 2
            version = str(database.client.server_info()["version"])
            database[POINTER].find_one()  # the first request that needs the right to read
    except GlobalMartError as error:
        return [from_error(_AREA, error)]
    return list(_check(version, skew))


def _check(version: str, skew_seconds: float) -> Iterator[Finding]:
    if int(version.split(".")[0]) < _OLDEST_VERSION:
        yield Finding(_AREA, f"version {version} is too old", f"upgrade to {_OLDEST_VERSION} or newer")
    if abs(skew_seconds) > _CLOCK_SECONDS:
        yield Finding(_AREA, f"its clock differs from this machine's by {skew_seconds:+.1f} s", "set both by NTP")
