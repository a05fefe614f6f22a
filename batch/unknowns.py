"""Names for a missing country, category or segment in a mart's key.

Null in a mart's `country` means every country, so an order without a country needs a name.
"""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f

UNKNOWN: Final = "unknown"
#: The `from` of a customer without a previous segment in `segment_migrations`.
NO_SEGMENT: Final = "(none)"


def or_unknown(column: str) -> Column:
    """Replaces the column's nulls by the name."""
    return f.coalesce(f.col(column), f.lit(UNKNOWN))
