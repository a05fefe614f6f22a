"""Filters of a rule, as functions of an order."""

from collections.abc import Callable
from operator import attrgetter
from typing import TypeAlias

from app.domain.money import cents_of
from app.events.topics.transactions import TransactionRow
from app.fraud.rules import FILTERED_NAMES, Where

Passes: TypeAlias = Callable[[TransactionRow], bool]


def passes_of(where: Where) -> Passes | None:
    """Returns the filter as a function of an order; None if every order passes."""
    conditions: list[Passes] = []
    for name, field, scale in (("amount", "amount_cents", cents_of), ("quantity", "quantity", int)):
        least, most = getattr(where, f"{name}_from"), getattr(where, f"{name}_to")
        if least is not None:
            conditions.append(_at_least(attrgetter(field), scale(least)))
        if most is not None:
            conditions.append(_at_most(attrgetter(field), scale(most)))
    for name in FILTERED_NAMES:
        among, outside = getattr(where, f"{name}_in"), getattr(where, f"{name}_not_in")
        if among is not None:
            conditions.append(_among(attrgetter(name), frozenset(among)))
        if outside is not None:
            conditions.append(_outside(attrgetter(name), frozenset(outside)))
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else lambda row: all(holds(row) for holds in conditions)


def _at_least(value: Callable[[TransactionRow], int], limit: int) -> Passes:
    return lambda row: value(row) >= limit


def _at_most(value: Callable[[TransactionRow], int], limit: int) -> Passes:
    return lambda row: value(row) <= limit


def _among(value: Callable[[TransactionRow], str | None], names: frozenset[str]) -> Passes:
    return lambda row: value(row) in names


def _outside(value: Callable[[TransactionRow], str | None], names: frozenset[str]) -> Passes:
    return lambda row: value(row) not in names
