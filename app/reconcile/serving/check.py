"""Compares every answer of the REST API with both stores: rows of PostgreSQL, documents of MongoDB."""

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

from app.reconcile.comparison import FAILURES, Comparison
from app.reconcile.postgres import open_auditor
from app.reconcile.serving.api_answers import Api, answered
from app.reconcile.serving.postgres_answers import StoredAnswers, stored_answers
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.warehouse.published_documents import open_published
from app.settings import Settings

API: Final = "api"
_AGAIN_SECONDS: Final = 2.0


async def expected_answers(settings: Settings) -> StoredAnswers:
    """What the API has to answer now; raises RecountError when a store cannot be read or nothing is stored."""
    with open_published(settings.mongo) as published:
        async with open_auditor(settings.postgres) as connection:
            stored = await stored_answers(connection, published.as_of)
        figures = {**stored.figures, **published_answers(published.rows, stored.customer)}
    return replace(stored, figures=figures)


async def check_api(settings: Settings, api: Api, settle_seconds: float) -> Comparison:
    """Compare, and while something differs compare again until `settle_seconds` are over.

    The API answers from its cache for a while and shows a new run only once it is prepared. Where new events are
    stored meanwhile, the comparison says so: figures of a moving stream need not agree. Raises RecountError when a
    store cannot be read.
    """
    deadline = time.monotonic() + settle_seconds
    first: dict[str, Any] = {}
    while True:
        stored = await expected_answers(settings)
        consumed = _consumed(stored)
        first = first or consumed
        comparison = await asyncio.to_thread(_compared, stored, api)
        if not comparison.differences:
            return comparison
        if time.monotonic() > deadline:
            return replace(comparison, moving=consumed != first)
        await asyncio.sleep(_AGAIN_SECONDS)


def _compared(stored: StoredAnswers, api: Api) -> Comparison:
    try:
        found = answered(api, stored.customer["user_id"], stored.transaction_id)
    except FAILURES as error:
        return Comparison(API, failure=f"{api.url}: {type(error).__name__}: {error}")
    return Comparison(API, stored.figures, found)


def _consumed(stored: StoredAnswers) -> dict[str, Any]:
    return {name: count for name, count in stored.figures.items() if name.endswith(": consumed")}
