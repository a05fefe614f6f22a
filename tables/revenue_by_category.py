"""Table `revenue_by_category`: partition -> live revenue of the last 60 s per category."""

from typing import Final

from faust.types import AppT
from faust.types.tables import TableT

NAME: Final = "revenue_by_category"


def create_table(app: AppT) -> TableT:
    """Declares the table; values are `SlidingRevenue` in cents."""
    return app.Table(NAME, help="Revenue of the last 60 s per category, in cents")
