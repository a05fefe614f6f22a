"""SQL that finds events missing in a table: collected from every partition, then chosen among equal ids."""

from app.sink.tables import StoredTopic


def create_sql(stored: StoredTopic) -> str:
    """SQL of a temporary table for candidates: the columns of a row, its partition and its Kafka timestamp."""
    columns = ", ".join(f"{column.name} {column.type}" for column in stored.columns)
    return f"CREATE TEMPORARY TABLE missing ({columns}, partition INTEGER, kafka_ms BIGINT)"


def collect_sql(stored: StoredTopic) -> str:
    """SQL that collects rows whose id is not stored and whose record is not a dead letter."""
    joined = " AND ".join(f"t.{name} = s.{name}" for name in stored.key)
    names = ", ".join(stored.column_names)
    values = ", ".join(f"s.{name}" for name in stored.column_names)
    source = stored.from_arrays(3).replace("unnest(", "unnest($2::BIGINT[], ")
    source = source.replace(" AS s (", " AS s (kafka_ms, ")
    return f"""
INSERT INTO missing ({names}, partition, kafka_ms) SELECT {values}, $1, s.kafka_ms
FROM {source}
WHERE NOT EXISTS (SELECT FROM {stored.name} t WHERE {joined})
    AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.source_topic = '{stored.name}'
        AND d.source_partition = $1 AND d.source_offset = s.source_offset)"""


def choose_sql(stored: StoredTopic) -> str:
    """SQL that chooses the first record of each id: the lowest offset of a partition, then the earliest sent."""
    key = ", ".join(stored.key)
    return f"""
CREATE TEMPORARY TABLE chosen AS
SELECT DISTINCT ON ({key}) * FROM (
    SELECT DISTINCT ON ({key}, partition) * FROM missing ORDER BY {key}, partition, source_offset
) AS first_of_partition ORDER BY {key}, kafka_ms, partition"""
