"""The batch's lake as upkeep opens it: never made, and where it has to be, told from one that is elsewhere.

The batch may run on another machine or in a container whose volume is not this machine's folder.
"""

from typing import Final

from pymongo.errors import PyMongoError

from app.errors import LakeError, StoreUnavailableError, text_of
from app.settings import BatchSettings, Settings
from batch.lake import Lake
from batch.warehouse import open_warehouse, published

_CURE: Final = (
    f"set {BatchSettings.variable('lake')} to where the batch keeps it, or run this beside it; in the Docker stack: "
    "docker exec -i globalmart-maintain globalmart ..."
)


def lake_location(settings: Settings) -> str:
    """Where the batch keeps its lake."""
    return settings.batch.lake or str(settings.general.var_dir / "lake")


def open_lake(settings: Settings) -> Lake:
    """The lake as it is found; empty where there is none, and no folder is made."""
    return Lake(lake_location(settings), create=False)


def filled_lake(location: str) -> Lake:
    """A lake a batch has filled; raises LakeError where there is none."""
    lake = Lake(location, create=False)
    if not lake.has_manifest():
        raise LakeError(f"there is no lake in {lake.location}; {_CURE}")
    return lake


def require_published_lake(settings: Settings, lake: Lake) -> None:
    """Raise LakeError for a lake without a manifest while readers see a run, which filled one.

    Without either there is nothing yet. Raises StoreUnavailableError where the warehouse has to be asked and is away.
    """
    if lake.has_manifest() or settings.mongo.url is None:
        return
    try:
        with open_warehouse(settings.mongo) as database:
            number = published(database)["number"]
    except PyMongoError as error:
        raise StoreUnavailableError(
            f"there is no lake in {lake.location}, and MongoDB, which knows whether there should be one, is away: "
            f"{text_of(error)}. Nothing was changed; run this again once it answers, or {_CURE}"
        ) from error
    if number:
        raise LakeError(
            f"there is no lake in {lake.location}, but the batch has published run {number} from one; nothing was "
            f"changed. {_CURE[0].upper()}{_CURE[1:]}. If the lake is lost, run the nightly batch first"
        )
