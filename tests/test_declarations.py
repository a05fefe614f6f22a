"""Every list of topics and fields follows from the declarations, or agrees with them where it is written apart."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from app.domain.anomalies import ANOMALY_TYPES
from app.events.decoding import Decoder, TimeLimits
from app.events.topics.declaration import Field, Retention, SourceTopic
from app.fraud.measures import AS_SENT, MEASURINGS
from app.fraud.rulebook import guide_rules
from app.fraud.rules import KIND_NAMES, KINDS, ListedField, Trait
from app.generator.malformed import MALFORMED, kinds_by_topic
from app.generator.writer import FORGIVEN
from app.ops.retention.retention import first_day_kept
from app.reconcile.stream import edition_records as recount_rules
from app.reconcile.stream import judged_again as recount_judge
from app.reconcile.stream import record_validation as recount
from app.settings import AnomalySettings, Settings
from app.sink.stateful_rules import STATEFUL_RULES, new_states
from app.sink.tables import STORED_TOPICS
from app.topics import ARCHIVED_TOPICS, SOURCES, TOPICS, TRANSACTIONS, USER_TOPICS
from app.worker import create_app
from batch.sources import LAKE_TABLES
from tests.support.databases import Database, database

__all__ = ["database"]

TOPIC_BY_TOPIC = pytest.mark.parametrize("topic", SOURCES.values(), ids=lambda topic: topic.name)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
#: Columns of every table that no event has.
ADDED = {"source_partition", "source_offset", "created_at"}


def _names(fields: Iterable[Field]) -> tuple[str, ...]:
    return tuple(field.name for field in fields)


def test_every_list_of_topics_has_each_that_belongs_to_it() -> None:
    settings = Settings({"GLOBALMART_STREAM_RETENTION_DAYS": "400"})
    lists = {
        "topics": {topic.name for topic in TOPICS if topic.source},
        "agents": set(create_app(settings).agents),
        "tables": set(STORED_TOPICS),
        "retention": set(first_day_kept(settings, NOW)),
        "recount": set(recount.FIELDS),
        "identities of the recount": set(recount.IDENTITY),
        "malformed events": {topic for topic, kinds in kinds_by_topic(MALFORMED).items() if kinds},
        "forgiven events": {topic for topic, kinds in kinds_by_topic(FORGIVEN).items() if kinds},
    }
    assert {name: topics for name, topics in lists.items() if topics != set(SOURCES)} == {}
    assert set(LAKE_TABLES) == set(ARCHIVED_TOPICS)


def test_data_of_users_is_erased_and_outlives_postgres_in_the_lake() -> None:
    of_users = {name for name, topic in SOURCES.items() if "user_id" in _names(topic.fields)}
    assert set(USER_TOPICS) == of_users
    assert of_users <= set(ARCHIVED_TOPICS)


@TOPIC_BY_TOPIC
def test_what_identifies_a_user_is_personal(topic: SourceTopic[Any]) -> None:
    personal = ("user_id", "session_id", "card", "device", "ip", "email")
    named = {name for name in _names(topic.fields) if name in personal}
    assert set(topic.personal) == named


@TOPIC_BY_TOPIC
def test_the_row_has_the_fields_of_the_event_in_their_order(topic: SourceTopic[Any]) -> None:
    expected = (*(field.row_name for field in topic.fields), "source_offset")
    assert tuple(get_type_hints(topic.row)) == expected
    assert tuple(column.name for column in STORED_TOPICS[topic.name].columns) == expected
    assert {topic.record_key, *topic.identity} <= set(_names(topic.fields))
    assert Decoder(topic, TimeLimits(0)).decode([]).rows == []


@TOPIC_BY_TOPIC
def test_the_lake_and_the_recount_have_every_field(topic: SourceTopic[Any]) -> None:
    assert recount.COLUMNS[topic.name] == _names(topic.fields)
    assert recount.IDENTITY[topic.name] == topic.identity
    assert recount.COLUMNS[topic.name][recount.KEY_COLUMN[topic.name]] == topic.record_key
    required = {field.name for field in recount.FIELDS[topic.name] if field.default is recount.ABSENT}
    assert required == {field.name for field in topic.fields if field.required}
    if topic.archived:
        lake = LAKE_TABLES[topic.name]
        assert lake.columns == (*_names(topic.fields), "source_offset")
        assert tuple(lake.arrow_schema.names) == tuple(lake.spark_schema.names) == lake.columns


async def test_the_migrations_have_every_column(database: Database) -> None:
    stored = await database.fetch(
        "SELECT table_name, column_name, upper(pg_catalog.format_type(a.atttypid, a.atttypmod)) AS type, is_nullable "
        "FROM information_schema.columns JOIN pg_attribute a ON a.attrelid = table_name::regclass "
        "AND a.attname = column_name WHERE table_schema = 'public'"
    )
    columns = {(row["table_name"], row["column_name"]): row for row in stored}
    for topic in SOURCES.values():
        hints = get_type_hints(topic.row)
        assert {name for table, name in columns if table == topic.name} == {*_names(topic.fields), *ADDED}
        for field in topic.fields:
            column = columns[topic.name, field.name]
            assert _short(column["type"]) == field.stored_type, (topic.name, field.name)
            optional = NoneType in get_args(hints[field.row_name])
            assert (column["is_nullable"] == "YES") == optional, (topic.name, field.name)


def _short(type_name: str) -> str:
    longs = {
        "CHARACTER VARYING": "VARCHAR",
        "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
        "NUMERIC(12,2)": "NUMERIC(12, 2)",
    }
    for long, short in longs.items():
        type_name = type_name.replace(long, short)
    return type_name


def test_every_retention_is_that_of_its_setting() -> None:
    settings = Settings(
        {
            "GLOBALMART_STREAM_RETENTION_DAYS": "100",
            "GLOBALMART_RETENTION_RAW_DAYS": "10",
            "GLOBALMART_RETENTION_METRICS_DAYS": "1",
            "GLOBALMART_KAFKA_RETENTION_HOURS": "24",
        }
    )
    days = {Retention.ORDERS: 101, Retention.RAW: 10, Retention.METRICS: 1}
    kept = {name: (NOW - timedelta(days=days[topic.retention])).date() for name, topic in SOURCES.items()}
    assert first_day_kept(settings, NOW) == kept


def test_every_list_of_rules_has_each() -> None:
    assert tuple(AnomalySettings.model_fields) == ANOMALY_TYPES
    assert recount_rules.GUIDE_RULES == ANOMALY_TYPES
    assert tuple(rule.id for rule in guide_rules(AnomalySettings())) == ANOMALY_TYPES


def test_the_recount_has_every_kind_of_rule() -> None:
    assert set(recount_rules.KINDS) == set(KIND_NAMES) == {*recount_judge._MEASURES, "list"}
    assert set(recount_rules.SENT_FIELDS) == set(AS_SENT) == set(SOURCES[TRANSACTIONS].personal) - {"user_id"}
    assert {kind.__struct_config__.tag for kind in KINDS if kind.needs_history} == {
        *recount_rules.WINDOWED,
        *recount_rules.YEARLY,
    }


def test_every_kind_of_rule_that_needs_history_is_measured() -> None:
    assert set(MEASURINGS) == {kind for kind in KINDS if kind.needs_history}


def test_rules_compare_fields_of_an_order() -> None:
    row = {column.name: column.type for column in STORED_TOPICS[TRANSACTIONS].columns}
    listed = get_args(ListedField)
    assert {row[name] for name in listed} == {"TEXT"}
    assert {"user_id", *get_args(Trait)} == set(listed)
    assert set(row) - set(listed) == {"transaction_id", "timestamp", "amount_cents", "quantity", "source_offset"}


def test_every_measure_of_memory_has_one_state() -> None:
    stateful = [rule.measure for rule in STATEFUL_RULES]
    assert set(new_states(None)) == set(stateful) and len(set(stateful)) == len(stateful)
    assert all(set(rule.columns) <= {c.name for c in STORED_TOPICS[TRANSACTIONS].columns} for rule in STATEFUL_RULES)
