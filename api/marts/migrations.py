"""`segment_migrations`: how many customers went from which segment to which since the run before."""

from typing import Final

from api.mongo import Find
from api.published_run import PublishedRun
from app.published_run import Document

MART: Final = "segment_migrations"

_ALL: Final = Find({}, ("from", "to", "customers", "revenue"), (("from", 1), ("to", 1)))


async def migrations(run: PublishedRun) -> list[Document]:
    """Every pair of segments with customers, those who stayed included; revenue is their whole value."""
    return await run.find(MART, _ALL)
