"""Injected attacks and look-alikes: repeatable, by their shares, labelled, and without effect on other traffic."""

import csv
import io
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from app.events.topics.transactions import TransactionRow
from app.generator.attacks_kinds import ATTACKS, LOOKALIKES
from app.generator.attacks_truth import FRAUD, LEGITIMATE, OnInjected, Truth, TruthFile
from app.generator.fingerprints import Fingerprints
from app.generator.jobs import JobError
from app.generator.mix import Rates
from app.generator.record import Record
from app.generator.request import FileRequest, Request
from app.generator.traffic import Plan, Traffic
from app.topics import TRANSACTIONS
from tests.generator.shop import ANOMALY, NO_ANOMALIES, NO_FAULTS, START_US, STREAM, decode, settings, shop

HOUR_US = 3_600_000_000
WEEK_SECONDS = 7 * 86_400
ORDERS = Rates(0.05, 0.0, 0.0, 0.0)


def week(on_injected: OnInjected | None, rates: Rates = ORDERS) -> list[Record]:
    """The orders of a week, 30,000 without the injected ones."""
    config = settings(**NO_FAULTS, **NO_ANOMALIES, attack_share=0.05, lookalike_share=0.05)
    traffic = Traffic(shop(config), Plan(rates, START_US, None, 0.0, "run"), config, ANOMALY, STREAM, on_injected)
    return list(traffic.records(START_US + WEEK_SECONDS * 1_000_000, 0, None))


@pytest.fixture(scope="module")
def attacked() -> tuple[list[TransactionRow], dict[str, Truth]]:
    """Orders by the second, and what they are."""
    truth: dict[str, Truth] = {}
    records = week(lambda order, _, injected: truth.update({order: injected}))
    return decode(TRANSACTIONS, records).rows, truth


def campaigns(attacked: tuple[list[TransactionRow], dict[str, Truth]], name: str) -> list[list[TransactionRow]]:
    """The orders of each attack of a kind; what began at the end is cut, so the last few are left out."""
    rows, truth = attacked
    found: defaultdict[int, list[TransactionRow]] = defaultdict(list)
    for row in rows:
        injected = truth.get(row.transaction_id)
        if injected is not None and injected.attack == name:
            found[injected.campaign].append(row)
    assert len(found) > 3
    return list(found.values())[:-2]


def minutes(rows: list[TransactionRow]) -> float:
    times = [row.timestamp for row in rows]
    return (max(times) - min(times)).total_seconds() / 60


def test_every_injected_order_is_reported_once_with_its_label(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    rows, truth = attacked
    assert truth.keys() <= {row.transaction_id for row in rows}
    labels = {kind.name: FRAUD for kind in ATTACKS} | {kind.name: LEGITIMATE for kind in LOOKALIKES}
    assert {injected.attack: injected.label for injected in truth.values()} == labels


def test_attacks_and_lookalikes_have_their_shares(attacked: tuple[list[TransactionRow], dict[str, Truth]]) -> None:
    rows, truth = attacked
    others = len(rows) - len(truth)
    labels = Counter(injected.label for injected in truth.values())
    assert labels[FRAUD] == pytest.approx(0.05 * others, rel=0.3)
    assert labels[LEGITIMATE] == pytest.approx(0.05 * others, rel=0.3)


def test_the_same_seed_gives_the_same_attacks() -> None:
    truths: list[list[object]] = [[], []]
    first, second = (week(lambda *one, to=to: to.append(one), Rates(0.01, 0, 0, 0)) for to in truths)
    assert first == second
    assert truths[0] == truths[1]


def test_other_traffic_is_the_same_but_for_its_ids() -> None:
    truth: set[str] = set()
    with_attacks, without = week(lambda order, *_: truth.add(order)), week(None)

    def content(records: list[Record], injected: set[str]) -> list[dict[str, object]]:
        orders = [orjson.loads(record.value or b"") for record in records]
        ids = ("transaction_id", "session_id")
        return [
            {name: value for name, value in order.items() if name not in ids}
            for order in orders
            if order["transaction_id"] not in injected
        ]

    assert content(with_attacks, truth) == content(without, set())


def test_an_impossible_travel_is_in_another_country_every_few_minutes(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    for rows in campaigns(attacked, "impossible_travel"):
        assert len({row.user_id for row in rows}) == 1
        assert all(one.country != after.country for one, after in pairwise(rows))
        assert minutes(rows) < 240


def test_card_testing_tries_many_cards_with_small_amounts_and_then_buys(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    for rows in campaigns(attacked, "card_testing"):
        small = [row for row in rows if row.amount_cents < 200]
        assert len(small) >= 6
        assert len({row.card for row in small}) == len(small)
        assert len({row.device for row in rows}) == 1
        assert all(row.amount_cents > 10_000 for row in rows[len(small) :])


def test_a_takeover_comes_from_a_new_device_abroad_with_the_owners_card(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    config, fingerprints = settings(), Fingerprints(settings().world_seed)
    for rows in campaigns(attacked, "account_takeover"):
        account = int(rows[0].user_id.removeprefix("user")) - 1
        home = shop(config).countries[shop(config).country_of[account]]
        assert {row.card for row in rows} == {fingerprints.card(account)}
        assert not {row.device for row in rows} & {fingerprints.device(account, number) for number in (0, 1)}
        assert home not in {row.country for row in rows}
        assert min(row.amount_cents for row in rows) >= 39_000


def test_voucher_abuse_is_of_several_accounts_on_one_device(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    for rows in campaigns(attacked, "voucher_abuse"):
        assert len({row.user_id for row in rows}) >= 4
        assert len({row.device for row in rows}) == 1
        assert {row.payment_method for row in rows} == {"voucher"}


def test_bursts_and_resale_are_many_orders_and_many_items(
    attacked: tuple[list[TransactionRow], dict[str, Truth]],
) -> None:
    assert all(len(rows) >= 8 for rows in campaigns(attacked, "velocity_burst"))
    assert all(minutes(rows) < 30 for rows in campaigns(attacked, "velocity_burst"))
    for rows in campaigns(attacked, "bulk_resale"):
        assert len({row.product_id for row in rows}) == 1
        assert min(row.quantity for row in rows) >= 8


def test_lookalikes_resemble_attacks(attacked: tuple[list[TransactionRow], dict[str, Truth]]) -> None:
    assert all(rows[0].quantity >= 10 for rows in campaigns(attacked, "bulk_buyer"))
    assert any(len({row.country for row in rows}) > 1 for rows in campaigns(attacked, "traveller"))
    assert any(len({row.device for row in rows}) > 2 for rows in campaigns(attacked, "shared_account"))
    assert {row.timestamp.weekday() for rows in campaigns(attacked, "sale_day") for row in rows} <= {4, 5}


def test_a_customer_has_two_cards_a_phone_and_a_laptop_and_changing_addresses() -> None:
    fingerprints = Fingerprints(1)
    seen = [fingerprints.usual(7, START_US + hour * HOUR_US) for hour in range(24 * 28)]
    emails, cards, devices, addresses = (set(values) for values in zip(*seen, strict=True))
    assert emails == {fingerprints.email(7)}
    assert cards == {fingerprints.card(7, 0), fingerprints.card(7, 1)}
    assert devices == {fingerprints.device(7, 0), fingerprints.device(7, 1)}
    assert 20 < len(addresses) < 50
    other = fingerprints.usual(8, START_US)
    assert not {*other} & {value for values in seen for value in values}
    assert Fingerprints(2).email(7) != fingerprints.email(7)


def test_the_truth_is_a_file_that_labels_are_imported_from() -> None:
    file = io.StringIO()
    TruthFile(file).add("t-1", "2026-01-01T00:00:00.000000Z", Truth(FRAUD, "card_testing", 3))
    assert list(csv.DictReader(io.StringIO(file.getvalue()))) == [
        {
            "transaction_id": "t-1",
            "label": "fraud",
            "event_time": "2026-01-01T00:00:00.000000Z",
            "attack": "card_testing",
        }
    ]


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request(attacks=True, file=FileRequest(preset="cdnow")), "leave out --from-csv"),
        (Request(truth=Path("truth.csv")), "needs --attacks"),
    ],
)
def test_options_that_contradict_each_other_are_refused(request_: Request, problem: str) -> None:
    with pytest.raises(JobError, match=problem):
        request_.check()
