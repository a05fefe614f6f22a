"""Opens the batch's lake for maintenance: never creates one, and detects one that is elsewhere.

The batch may run on another machine or in a container whose volume is not this machine's folder.
"""

from typing import Final

from pymongo.errors import PyMongoError

from app.errors import LakeError, StoreUnavailableError, text_of
from app.settings import BatchSettings, Settings
from batch.lake import Lake
from batch.warehouse_writer import open_warehouse, published

_FIX: Final = (
    f"set {BatchSettings.variable('lake')} to the batch's, or run this command where it is; in the Docker stack: "
    "docker exec -i globalmart-maintain globalmart ..."
)


def lake_location(settings: Settings) -> str:
    """Returns the folder or URL of the batch's lake."""
    return settings.batch.lake or str(settings.general.var_dir / "lake")


def open_lake(settings: Settings) -> Lake:
    """Opens the lake; empty if there is none, and no folder is created."""
    return Lake(lake_location(settings), create=False)


def filled_lake(location: str) -> Lake:
    """Opens a lake that a batch has filled; raises LakeError if there is none."""
    lake = Lake(location, create=False)
    if not lake.has_manifest():
        raise LakeError(f"there is no lake in {lake.location}; {_FIX}")
    return lake


def require_published_lake(settings: Settings, lake: Lake) -> None:
    """Raises LakeError if the lake has no manifest although a batch run was published, which filled one.

    Raises StoreUnavailableError if MongoDB is needed to decide and does not answer.
    """
    if lake.has_manifest() or settings.mongo.url is None:
        return
    try:
        with open_warehouse(settings.mongo) as database:
            number = published(database)["number"]
    except PyMongoError as error:
        raise StoreUnavailableError(
            f"there is no lake in {lake.location}, and MongoDB, which has the published runs, does not answer: "
            f"{text_of(error)}. Nothing was changed; run this again once it answers, or {_FIX}"
        ) from error
    if number:
        raise LakeError(
            f"there is no lake in {lake.location}, but the batch has published run {number} from one; nothing was "
            f"changed. {_FIX[0].upper()}{_FIX[1:]}. If the lake is lost, run the nightly batch first"
        )
