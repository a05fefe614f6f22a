"""`segment_migrations`: number of customers by previous and current segment."""

from typing import Final

from api.mongo_reader import Find
from api.run_reader import PublishedRun
from app.published_run import Document

MART: Final = "segment_migrations"

_ALL: Final = Find({}, ("from", "to", "customers", "revenue"), (("from", 1), ("to", 1)))


async def migrations(run: PublishedRun) -> list[Document]:
    """Returns every pair of segments with customers, also equal ones; revenue is the customers' total value."""
    return await run.find(MART, _ALL)
