"""What spark-submit starts: `spark-submit --master spark://HOST:PORT batch/__main__.py nightly`."""

import argparse
import sys
from datetime import date
from typing import Final

from app.domain.timestamps import TimestampError, parse_date
from app.errors import GlobalMartError, LockHeldError, SettingsError
from app.settings import load_settings
from batch.mart_catalogue import JOBS
from batch.nightly import Job, run_batch, yesterday

_CODES: Final = {LockHeldError: 75, SettingsError: 2}


def main() -> int:
    """Run one job; exit codes as of `globalmart batch`."""
    parser = argparse.ArgumentParser(prog="batch", description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--as-of", type=_day, default=None, help="yesterday, UTC")
    parser.add_argument("--full", action="store_true", help="read every day PostgreSQL holds")
    options = parser.parse_args()
    job = Job(options.job, options.as_of or yesterday(), options.full)
    try:
        run_batch(load_settings(), job, lambda line: print(line, file=sys.stderr))  # noqa: T201
    except GlobalMartError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
    return 0


def _day(text: str) -> date:
    try:
        return parse_date(text)
    except TimestampError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
