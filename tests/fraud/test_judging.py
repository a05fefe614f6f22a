"""However orders come in chunks, and whatever is remembered or read again, the verdicts are those of a naive oracle."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.topics.transactions import TransactionRow
from app.fraud.judging import Judge
from app.fraud.measures import Orders
from app.fraud.rulebook import Rulebook, RuleVersion, needs_history
from app.fraud.rules import (
    Amount,
    AnyRule,
    CardTesting,
    Deviation,
    Distinct,
    NewCategory,
    NewCustomer,
    Rule,
    Spend,
    Velocity,
)
from tables.user_histories import UserHistories, UserHistory, totals_of
from tests.fraud.kinds import EVERY_KIND
from tests.fraud.oracle import oracle
from tests.sink.chunk_slices import NOON, order

LISTS = {"stolen": {"c3"}}
BOOK = Rulebook(
    1,
    tuple(RuleVersion(rule, 1) for rule in EVERY_KIND),
    {name: dict.fromkeys(values) for name, values in LISTS.items()},
)


#: No rule needs every history, so of most users totals are enough.
SCREENED = tuple(rule for rule in EVERY_KIND if not isinstance(rule, Deviation))


def orders_of(seed: int, count: int = 400, users: str = "abcde") -> list[TransactionRow]:
    """Orders of users over two days: bursts, ties, late ones by up to a day, missing fields."""
    random = Random(seed)
    rows = []
    seconds = 0.0
    for n in range(count):
        seconds += random.choice([0, 0, 1, 30, 600, 1500])
        late = random.choice([0, 0, 0, 0, 60, 7_200, 86_400])
        rows.append(
            order(
                n,
                user_id=random.choice(users),
                timestamp=NOON + timedelta(seconds=seconds - late),
                amount_cents=random.choice([100, 199, 200, 2_000, 3_001, 4_001, 5_001, random.randrange(10_000)]),
                quantity=random.choice([1, 1, 4, 5, 9]),
                country=random.choice(["UK", "UK", "DE", "FR", "US", None]),
                category=random.choice(["Books", "Books", "Toys", "Garden", None]),
                card=random.choice([None, "c1", "c1", "c2", "c3"]),
            )
        )
    return rows


def judged(
    rows: list[TransactionRow],
    *,
    chunk: int,
    limit: int,
    books: Sequence[Rulebook] = (BOOK,),
    totals_limit: int | None = None,
) -> set[tuple[int, str]]:
    """Verdicts of the judge, chunk by chunk and by one book after the other.

    Histories that are not remembered, with `totals_limit` also totals, are taken from the rows before.
    """
    judges, histories = [Judge(book) for book in books], UserHistories(limit, totals_limit or 0)
    found: set[tuple[int, str]] = set()

    def past(judge: Judge, user_id: str, since_us: int, until: int) -> UserHistory:
        all_past = (
            judge.past_order(row, (row.timestamp - EPOCH) // MICROSECOND)
            for row in rows[:until]
            if row.user_id == user_id
        )
        return UserHistory(since_us, (one for one in all_past if one.timestamp_us > since_us))

    for first in range(0, len(rows), chunk):
        part, judge = rows[first : first + chunk], judges[first // chunk % len(judges)]
        times = [(row.timestamp - EPOCH) // MICROSECOND for row in part]
        orders = Orders(part, part, times)
        if totals_limit is not None:
            for user_id, since_us in judge.unknown(orders, histories).items():
                history = past(judge, user_id, since_us, first)
                histories.put_totals(user_id, totals_of(history, since_us, len(judge.traits)))
        totals_read = totals_limit is not None
        for user_id, since_us in judge.needed(orders, histories, totals_read=totals_read).items():
            histories.put(user_id, past(judge, user_id, since_us, first))
        found |= {(part[one.place].source_offset, one.version.rule.id) for one in judge.judge(orders, histories)}
        assert len(histories) <= limit or len(histories._histories) == 1
        assert len(histories.totals) <= (totals_limit or 0)
        assert not histories.totals.keys() & histories._histories.keys()
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("chunk", "limit"), [(1, 20_000), (37, 20_000), (400, 20_000), (5, 60), (20, 0)])
def test_every_kind_agrees_with_a_naive_oracle(seed: int, chunk: int, limit: int) -> None:
    rows = orders_of(seed)
    rules = tuple(version.rule for version in BOOK.judged)
    expected = oracle(rules, rows, LISTS)
    assert {rule for _, rule in expected} == {rule.id for rule in rules}, "the orders raise every rule"
    assert judged(rows, chunk=chunk, limit=limit) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chunk", [1, 7, 60])
@pytest.mark.parametrize(("limit", "totals_limit"), [(20_000, 20_000), (20_000, 0), (12, 1_000), (0, 7), (0, 0)])
def test_with_totals_the_verdicts_are_the_same(seed: int, chunk: int, limit: int, totals_limit: int) -> None:
    rows = orders_of(seed, 800, "abcdefghijkl")
    expected = oracle(SCREENED, rows, LISTS)
    assert {rule for _, rule in expected} == {rule.id for rule in SCREENED}, "the orders raise every rule"
    books = [Rulebook(1, tuple(RuleVersion(rule, 1) for rule in SCREENED), BOOK.lists)]
    assert judged(rows, chunk=chunk, limit=limit, totals_limit=totals_limit, books=books) == expected


def _of_kinds(*kinds: type[Rule]) -> tuple[AnyRule, ...]:
    return tuple(rule for rule in SCREENED if isinstance(rule, kinds))


@pytest.mark.parametrize("totals_limit", [0, 7, 1_000])
@pytest.mark.parametrize(
    "sets", [(SCREENED, EVERY_KIND), (SCREENED, _of_kinds(Amount))], ids=["every history", "no history"]
)
def test_totals_end_with_the_editions_that_ask_for_them(
    totals_limit: int, sets: tuple[tuple[AnyRule, ...], ...]
) -> None:
    """Every other chunk is judged by rules for which totals are not kept."""
    rows = orders_of(3, 500, "abcdefghijklm")
    books = [
        Rulebook(n, tuple(RuleVersion(rule, 1) for rule in rules), BOOK.lists) for n, rules in enumerate(sets, start=1)
    ]
    expected = {
        (at, rule) for n, rules in enumerate(sets) for at, rule in oracle(rules, rows, LISTS) if at // 37 % 2 == n
    }
    assert judged(rows, chunk=37, limit=50, totals_limit=totals_limit, books=books) == expected


def test_an_order_of_an_edition_without_totals_counts_in_the_next_one() -> None:
    fast, newcomer = Velocity(id="fast", name="Fast", more_than=2, seconds=600), _of_kinds(NewCustomer)[0]
    books = [
        Rulebook(n, tuple(RuleVersion(r, 1) for r in rules)) for n, rules in enumerate([[fast, newcomer], [newcomer]])
    ]
    rows = [order(n, amount_cents=100) for n in range(3)]
    assert judged(rows, chunk=1, limit=0, totals_limit=9, books=books) == {(2, "fast")}


@pytest.mark.parametrize("is_known", [False, True])
def test_an_order_that_is_a_year_late_has_its_window_though_another_rule_read_the_year(is_known: bool) -> None:
    """Nothing is known of the user, or the history of a year that ends before the late order's window."""
    fast, novel = (next(rule for rule in SCREENED if isinstance(rule, kind)) for kind in (Velocity, NewCategory))
    rules = (msgspec.structs.replace(fast, more_than=2, seconds=600), novel)
    long_ago = NOON - timedelta(days=400)
    rows = [order(n, timestamp=long_ago + timedelta(seconds=n), category="Toys", amount_cents=100) for n in range(2)]
    rows += [order(2, timestamp=NOON, category="Books", amount_cents=9_000 if is_known else 100)]
    rows += [order(3, timestamp=long_ago + timedelta(seconds=3), category="Toys", amount_cents=100)]
    rows += [order(4, timestamp=NOON + timedelta(hours=1), category="Books", amount_cents=9_000)]
    rows += [order(5, timestamp=long_ago + timedelta(seconds=4), category="Toys", amount_cents=100)]
    books = [Rulebook(1, tuple(RuleVersion(rule, 1) for rule in rules))]
    expected = oracle(rules, rows, {})
    assert {(3, fast.id), (5, fast.id)} <= expected
    for chunk in (1, 3, 4, 6):
        assert judged(rows, chunk=chunk, limit=20_000, totals_limit=9, books=books) == expected, chunk


@pytest.mark.parametrize(
    ("rule", "orders"),
    [
        (Velocity(id="r", name="R", more_than=2, seconds=600), [{}, {}, {}]),
        (Spend(id="r", name="R", above=Decimal("30.00"), seconds=600), [{"amount_cents": 3_000}, {"amount_cents": 1}]),
        (Distinct(id="r", name="R", field="card", at_least=2, seconds=600), [{"card": "c1"}, {"card": "c2"}]),
        (
            Distinct(id="r", name="R", field="card", at_least=3, seconds=600),
            [{"card": "c1"}, {"card": "c2"}, {"card": None}, {"card": "c3"}],
        ),
        (
            CardTesting(id="r", name="R", at_least=2, below=Decimal("2.00"), above=Decimal("9.00"), seconds=600),
            [{"amount_cents": 199}, {"amount_cents": 199}, {"amount_cents": 901}],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Rule) else "",
)
@pytest.mark.parametrize("chunk", [1, 2, 10])
def test_the_fewest_orders_that_raise_a_rule_raise_it_with_totals(
    rule: AnyRule, orders: list[dict[str, Any]], chunk: int
) -> None:
    rows = [order(n, **fields) for n, fields in enumerate(orders)]
    books = [Rulebook(1, (RuleVersion(rule, 1),))]
    assert judged(rows, chunk=chunk, limit=0, totals_limit=9, books=books) == {(len(rows) - 1, "r")}


def test_of_users_below_every_limit_no_order_is_read() -> None:
    rules = [v for v in BOOK.judged if isinstance(v.rule, Velocity | Spend | Distinct) and v.rule.seconds != 60]
    judge, histories = Judge(Rulebook(1, tuple(rules))), UserHistories()
    rows = [order(n, user_id=f"u{n // 2}", amount_cents=100) for n in range(20)]
    orders = Orders(rows, rows, [(row.timestamp - EPOCH) // MICROSECOND for row in rows])
    for user_id, since_us in judge.unknown(orders, histories).items():
        histories.put_totals(user_id, totals_of(UserHistory(since_us), since_us, len(judge.traits)))
    assert len(histories.totals) == 10
    assert judge.needed(orders, histories) == {}
    assert judge.unknown(orders, histories) == {}


@pytest.mark.parametrize("limit", [0, 20_000])
def test_editions_without_a_rule_that_looks_back_leave_no_gap_in_the_histories(limit: int) -> None:
    """Every rule is paused for a chunk, then active again: it sees the orders of meanwhile."""
    rows, (fast,) = orders_of(5), [v for v in BOOK.judged if v.rule.id == "hourly"]
    paused = RuleVersion(msgspec.structs.replace(fast.rule, state="paused"), 2)
    books = Rulebook(1, (fast,)), Rulebook(2, (paused,))
    expected = {(at, rule) for at, rule in oracle((fast.rule,), rows, LISTS) if at // 37 % 2 == 0}
    assert expected
    assert judged(rows, chunk=37, limit=limit, books=books) == expected


def test_histories_are_read_only_for_orders_that_pass_the_filters() -> None:
    rules = [v for v in BOOK.judged if v.rule.id in ("testing", "newcomer", "novel")]
    judge = Judge(Rulebook(1, tuple(rules)))
    assert all(needs_history(version.rule) for version in rules)
    rows = [
        order(0, user_id="small", amount_cents=1_000),
        order(1, user_id="large", amount_cents=9_000, category=None),
        order(2, user_id="middle", amount_cents=2_500, category=None),
    ]
    times = [(row.timestamp - EPOCH) // MICROSECOND for row in rows]
    assert set(judge.needed(Orders(rows, rows, times), UserHistories())) == {"large"}


def test_an_entry_counts_until_it_expires() -> None:
    (rule,) = (v for v in BOOK.judged if v.rule.id == "stolen_card")
    expires_us = (NOON - EPOCH) // MICROSECOND
    judge = Judge(Rulebook(1, (rule,), {"stolen": {"c3": expires_us}}))
    rows = [order(0, card="c3"), order(1, card="c3"), order(2, card=None)]
    times = [expires_us - 1, expires_us, expires_us - 1]
    assert [one.place for one in judge.judge(Orders(rows, rows, times), UserHistories())] == [0]


def test_fingerprints_on_a_list_are_those_that_were_sent() -> None:
    """An erased user's orders are stored under other fingerprints, which are on no list."""
    (rule,) = (v for v in BOOK.judged if v.rule.id == "stolen_card")
    judge = Judge(Rulebook(1, (rule,), {"stolen": {"c3": None}}))
    sent = [order(0, card="c3")]
    stored = [sent[0]._replace(card="erased-1")]
    assert len(judge.judge(Orders(stored, sent, [0]), UserHistories())) == 1
    assert judge.judge(Orders(sent, stored, [0]), UserHistories()) == []
