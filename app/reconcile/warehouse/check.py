"""Compares the warehouse in MongoDB with PostgreSQL's rows, each added up by code of its own."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from app.reconcile.postgres import open_auditor
from app.reconcile.warehouse.published_documents import open_published
from app.reconcile.warehouse.published_totals import published_totals
from app.reconcile.warehouse.stored_totals import stored_totals
from app.reconcile.warehouse.verdict import WarehouseReport
from app.settings import Settings

_STORED_SINCE: Final = "SELECT count(*) FROM transactions WHERE timestamp < $1 AND created_at >= $2"


async def check_warehouse(settings: Settings) -> WarehouseReport:
    """Compare every figure of the published run with the rows up to and with its day.

    Orders that were stored for those days after the run began are not in it; the report counts them. Raises
    RecountError when a store cannot be read or no run is published.
    """
    with open_published(settings.mongo) as published:
        found = published_totals(published)
        async with open_auditor(settings.postgres) as connection:
            expected = await stored_totals(connection, published.as_of)
            late = await _stored_since(connection, published.as_of, published.started_at)
        return WarehouseReport(published.as_of, expected=expected, found=found, stored_since=late)


async def _stored_since(connection: asyncpg.Connection, as_of: date, started_at: datetime | None) -> int:
    if started_at is None:
        return 0
    end = datetime.combine(as_of + timedelta(days=1), datetime.min.time(), UTC)
    return int(await connection.fetchval(_STORED_SINCE, end, started_at))
