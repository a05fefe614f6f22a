"""Unusual forms that the pipeline accepts: the event is stored as if it had the usual form."""

from collections.abc import Callable
from random import Random
from typing import Final

import orjson

from app.generator.record import JsonObject, money_text
from app.topics import SOURCE_TOPICS, TRANSACTIONS

Twist = Callable[[JsonObject, Random], None]


def _amount_as_string(fields: JsonObject, _rng: Random) -> None:
    fields["total_amount"] = money_text(fields["total_amount"])


def _amount_with_more_decimals(fields: JsonObject, rng: Random) -> None:
    text = f"{money_text(fields['total_amount'])}{rng.randrange(1, 1000):03d}"
    fields["total_amount"] = orjson.Fragment(text)


def _timestamp_without_offset(fields: JsonObject, _rng: Random) -> None:
    fields["timestamp"] = fields["timestamp"].removesuffix("Z")


def _unknown_fields(fields: JsonObject, rng: Random) -> None:
    fields["app_version"] = f"4.{rng.randrange(20)}"
    fields["experiment"] = {"name": "checkout", "arms": [1, None, "b"]}


FORGIVEN: Final[dict[str, tuple[Twist, tuple[str, ...]]]] = {
    "amount_as_string": (_amount_as_string, (TRANSACTIONS,)),
    "amount_with_more_decimals": (_amount_with_more_decimals, (TRANSACTIONS,)),
    "timestamp_without_offset": (_timestamp_without_offset, SOURCE_TOPICS),
    "unknown_fields": (_unknown_fields, SOURCE_TOPICS),
}


def forgiven_kinds(topic: str) -> tuple[str, ...]:
    """Returns the kinds that are possible on a topic."""
    return tuple(kind for kind, (_, topics) in FORGIVEN.items() if topic in topics)
