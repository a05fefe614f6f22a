"""What stands in a mart's key where the event names no country, category or segment.

Null in a mart's `country` means every country, so an order without a country needs a name of its own.
"""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f

UNKNOWN: Final = "unknown"
#: A customer no published run has seen before comes from here in `segment_migrations`.
NO_SEGMENT: Final = "(none)"


def or_unknown(column: str) -> Column:
    """The column with a name for its nulls."""
    return f.coalesce(f.col(column), f.lit(UNKNOWN))
