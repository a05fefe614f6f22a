"""Health checks inside the containers: `python -m compose.probe http URL` and `... records SECONDS`.

Exit code 0 is healthy, 1 is unhealthy; the reason is the last line of `docker inspect`.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_HTTP_SECONDS: Final = 5.0


def http(url: str) -> str | None:
    """Returns None if the page answers, else the problem."""
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_SECONDS):
            return None
    except (urllib.error.URLError, TimeoutError) as error:
        return f"{url}: {error}"


def records(seconds: str) -> str | None:
    """Returns None if the source topics have a record of the last seconds, else the problem."""
    from app.errors import GlobalMartError
    from app.kafka.offsets import newest_record
    from app.settings import load_settings
    from app.topics import SOURCE_TOPICS

    try:
        newest = newest_record(load_settings().kafka, SOURCE_TOPICS)
    except GlobalMartError as error:
        return str(error)
    oldest_allowed = datetime.now(UTC) - timedelta(seconds=float(seconds))
    if newest is None or newest < oldest_allowed:
        return f"no record within {seconds} s, the newest is of {newest}"
    return None


_PROBES: Final[Mapping[str, Callable[[str], str | None]]] = {"http": http, "records": records}


def main(arguments: Sequence[str]) -> int:
    """Runs the named probe with its argument."""
    name, argument = arguments
    problem = _PROBES[name](argument)
    if problem is None:
        return 0
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
