"""Table `user_velocity`: partition -> accepted events of each user, as sorted timestamps."""

from typing import Final

from faust.types import AppT
from faust.types.tables import TableT

NAME: Final = "user_velocity"


def create_table(app: AppT) -> TableT:
    """Declares the table; values are `PartitionVelocity`."""
    return app.Table(NAME, help="Accepted transactions per user above the horizon")
