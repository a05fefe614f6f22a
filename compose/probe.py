"""Health checks inside the containers: `python -m compose.probe http URL` and `... records SECONDS`.

Exit code 0 is healthy, 1 is not, and the reason is the last line of `docker inspect`.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import text_of

_HTTP_SECONDS: Final = 5.0


def http(url: str) -> str | None:
    """None when the page answers, else what is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_SECONDS):
            return None
    except (urllib.error.URLError, TimeoutError) as error:
        return f"{url}: {text_of(error)}"


def records(seconds: str) -> str | None:
    """None when the source topics got a record within so many seconds, else what is wrong."""
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
    """Run the probe that is named; its argument follows."""
    name, argument = arguments
    problem = _PROBES[name](argument)
    if problem is None:
        return 0
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
