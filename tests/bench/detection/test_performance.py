"""What the API says of a rule once every order is labelled is what the laboratory says of it."""

from itertools import pairwise

from app.fraud.editions import RuleDesk
from app.fraud.labels import OrderLabel, import_labels
from app.fraud.starter_rules import starter_rules
from app.generator.attacks_truth import FRAUD
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from tests.api.desk import clerks
from tests.api.serving import exact
from tests.api.shop import JUDGED_AT
from tests.bench.detection.orders import LabOrders, lab_settings, make_orders
from tests.bench.detection.part import judged, rulebook_of
from tests.sink.chunk_slices import Sink, work_of
from tests.support.databases import Database, database

__all__ = ["database"]

_CHUNK = 500


async def _judge_live(database: Database, orders: LabOrders) -> None:
    """Stores all orders, judged by the starter rules, and labels them by the truth."""
    async with database.owner() as owner:
        await RuleDesk(owner, "lab").set_rules(starter_rules(), "laboratory", create_lists=True)
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=AnomalyDetector(lambda: JUDGED_AT))
        for number, partition in enumerate(orders.partitions):
            state = await sink.state(number)
            places = [*range(0, len(partition.rows), _CHUNK), len(partition.rows)]
            for first, end in pairwise(places):
                await sink.commit(work_of(partition.rows[first:end], partition=number), state)
    rows = [row for partition in orders.partitions for row in partition.rows]
    labels = [
        OrderLabel(
            row.transaction_id,
            "fraud" if (truth := orders.truth.get(row.transaction_id)) and truth.label == FRAUD else "legitimate",
            "import",
            row.timestamp,
        )
        for row in rows
    ]
    async with database.owner() as owner:
        await import_labels(owner, labels, "lab")


async def test_performance_says_what_the_laboratory_says(database: Database) -> None:
    orders = make_orders(lab_settings(7, 6_000, 1_500))
    report = judged(rulebook_of(starter_rules()), orders).report()
    assert len(report["rules"]) >= 6
    await _judge_live(database, orders)
    async with clerks(database) as (reader, _, _):
        for rule_id, figures in report["rules"].items():
            said = exact(await reader.ask("GET", f"/rules/{rule_id}/performance"))
            (version,) = said["versions"]
            assert said["fraud_in_period"] == report["fraud_orders"]
            shares = {name: float(version[name]) for name in ("precision", "recall")}
            money = {name: f"{version[name]:.2f}" for name in ("money_caught", "money_wrongly_stopped")}
            counts = {name: version[name] for name in ("raised", "fraud", "legitimate")}
            assert counts | shares | money == figures, rule_id
