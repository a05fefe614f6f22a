"""Table `revenue_by_country`: partition -> live revenue of the last 60 s per country."""

from typing import Final

from faust.types import AppT
from faust.types.tables import TableT

NAME: Final = "revenue_by_country"


def create_table(app: AppT) -> TableT:
    """Declares the table; values are `SlidingRevenue` in cents."""
    return app.Table(NAME, help="Revenue of the last 60 s per country, in cents")
