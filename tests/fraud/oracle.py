"""A naive oracle: every kind written once more, order by order, over the list of everything accepted so far."""

from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any, Final

from app.events.topics.transactions import TransactionRow
from app.fraud.rules import (
    Amount,
    CardTesting,
    Deviation,
    Distinct,
    Listed,
    NewCategory,
    NewCustomer,
    Quantity,
    Rule,
    Spend,
    Velocity,
    Where,
)

_YEAR: Final = timedelta(days=365)


def oracle(rules: tuple[Rule, ...], rows: list[TransactionRow], lists: dict[str, set[str]]) -> set[tuple[int, str]]:
    """Offset and rule of every order that raises one; `rows` are of one partition, in offset order."""
    return {
        (row.source_offset, rule.id)
        for place, row in enumerate(rows)
        for rule in rules
        if _passes(rule.where, row) and _holds(rule, row, rows[:place], lists)
    }


def _passes(where: Where, row: TransactionRow) -> bool:
    amount = Decimal(row.amount_cents) / 100
    conditions: list[bool] = []
    for value, least, most in (
        (amount, where.amount_from, where.amount_to),
        (Decimal(row.quantity), where.quantity_from, where.quantity_to),
    ):
        conditions += [least is None or value >= least, most is None or value <= most]
    for name in ("country", "category", "payment_method"):
        among, outside = getattr(where, f"{name}_in"), getattr(where, f"{name}_not_in")
        conditions += [
            among is None or getattr(row, name) in among,
            outside is None or getattr(row, name) not in outside,
        ]
    return all(conditions)


def _holds(rule: Any, row: TransactionRow, before: list[TransactionRow], lists: dict[str, set[str]]) -> bool:
    def earlier(length: timedelta) -> list[TransactionRow]:
        found = [
            o for o in before if o.user_id == row.user_id and row.timestamp - length < o.timestamp <= row.timestamp
        ]
        return sorted(found, key=lambda o: (o.timestamp, o.source_offset))

    cents = row.amount_cents
    window = earlier(timedelta(seconds=getattr(rule, "seconds", 0)))
    match rule:
        case Amount():
            return cents > rule.above * 100
        case Quantity():
            return row.quantity >= rule.at_least
        case Velocity():
            return len(window) + 1 > rule.more_than
        case Spend():
            return cents + sum(o.amount_cents for o in window) > rule.above * 100
        case Distinct():
            own = getattr(row, rule.field)
            values = {own} | {getattr(o, rule.field) for o in window}
            return own is not None and len(values - {None}) >= rule.at_least
        case CardTesting():
            small = [o for o in window if o.amount_cents < rule.below * 100]
            return cents > rule.above * 100 and len(small) >= rule.at_least
        case NewCustomer():
            return cents > rule.above * 100 and not earlier(_YEAR)
        case Deviation():
            return _deviates(rule, cents, [o.amount_cents for o in earlier(_YEAR)][-rule.orders :])
        case NewCategory():
            past = earlier(_YEAR)
            known = {o.category for o in past}
            return (
                row.category is not None
                and cents > rule.above * 100
                and len(past) >= rule.at_least
                and row.category not in known
            )
        case Listed():
            return getattr(row, rule.field) in lists[rule.list]
    raise AssertionError(rule)


def _deviates(rule: Deviation, cents: int, amounts: list[int]) -> bool:
    if len(amounts) < rule.at_least:
        return False
    with localcontext() as context:
        context.prec = 80
        mean = Decimal(sum(amounts)) / len(amounts)
        variance = sum((amount - mean) ** 2 for amount in amounts) / len(amounts)
        return cents - mean > rule.deviations * Decimal(variance).sqrt()
