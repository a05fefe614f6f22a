"""Health checks inside the containers: `python -m compose.probe PROBE ...`.

`http URL`: a page answers. `records SECONDS`: Kafka got a record recently. `fresh FILE SECONDS`: a file is recent.

Exit code 0 is healthy, 1 is unhealthy; the reason is the last line of `docker inspect`.
"""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app.errors import text_of

_HTTP_SECONDS: Final = 5.0


def http(url: str) -> str | None:
    """Returns None if the page answers, else the problem."""
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_SECONDS):
            return None
    except (urllib.error.URLError, TimeoutError) as error:
        return f"{url}: {text_of(error)}"


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


def fresh(file: str, seconds: str) -> str | None:
    """Returns None if the file was touched within so many seconds, else the problem."""
    try:
        age = time.time() - Path(file).stat().st_mtime
    except OSError as error:
        return f"{file}: {error.strerror}"
    return None if age <= float(seconds) else f"{file} was not touched for {age:.0f} s"


_PROBES: Final[Mapping[str, Callable[..., str | None]]] = {"http": http, "records": records, "fresh": fresh}


def main(arguments: Sequence[str]) -> int:
    """Runs the named probe with its arguments."""
    name, *more = arguments
    problem = _PROBES[name](*more)
    if problem is None:
        return 0
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
