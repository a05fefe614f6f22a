"""Against a real Kafka: what arrives, in which partition, with which stamps; and the command."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from app.generator.record import Record
from app.generator.sender import DeliveryError, KafkaSender, producer_config
from app.kafka.admin import create_topics
from app.settings import GeneratorSettings, KafkaSettings
from app.topics import PRODUCT_VIEWS, SENT_AT_HEADER, SOURCE_TOPICS, TRANSACTIONS
from compose.demo.progress import import_line
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.faults.processes import clean_environment
from tests.support.waiting import PATIENCE_SECONDS, wait_until

PARTITIONS = 6
SMALL = {"GLOBALMART_GENERATOR_USERS": "500", "GLOBALMART_GENERATOR_PRODUCTS": "300", "GLOBALMART_GENERATOR_SEED": "3"}


def config(bootstrap: str) -> dict[str, object]:
    return producer_config(KafkaSettings(bootstrap=bootstrap), GeneratorSettings(), bulk=True)


def silent(_text: str) -> None:
    """Notices nobody reads."""


def ends(bootstrap: str) -> dict[tuple[str, int], int]:
    """End offset of every partition of the source topics."""
    create_topics(bootstrap, PARTITIONS, 1, 48.0)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    result = {}
    for topic in SOURCE_TOPICS:
        for partition in range(PARTITIONS):
            result[topic, partition] = _end(consumer, TopicPartition(topic, partition))
    consumer.close()
    return result


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """End offset; a topic just created may not have found its leader yet."""
    found: list[int] = []

    def answered() -> bool:
        try:
            found.append(consumer.get_watermark_offsets(partition, 10.0)[1])
        except KafkaException:
            return False
        return True

    wait_until(answered)
    return found[0]


def read_from(bootstrap: str, start: dict[tuple[str, int], int], count: int) -> list[Message]:
    """The next `count` records after these offsets, of all source topics."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "read"})
    consumer.assign([TopicPartition(topic, part, at) for (topic, part), at in start.items()])
    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count - len(messages), 1.0)
    consumer.close()
    return messages


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A Kafka of its own: what is sent here would be rubbish to other tests."""
    var_dir = tmp_path_factory.mktemp("generator")
    with EmbeddedStack(var_dir, services=("kafka",), preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)


@pytest.fixture
def bootstrap(broker: EmbeddedStack) -> str:
    return broker.environment()["GLOBALMART_KAFKA_BOOTSTRAP"]


def send(bootstrap: str, records: Sequence[Record], sent_at_ms: int) -> None:
    sender = KafkaSender(config(bootstrap), silent, lambda: False)
    assert sender.wait_for_broker()
    sender.send(records, sent_at_ms)
    sender.flush(PATIENCE_SECONDS)


def test_records_arrive_with_key_partition_time_and_header(bootstrap: str) -> None:
    start = ends(bootstrap)
    sent = [
        Record(TRANSACTIONS, f"user{n}".encode(), b'{"n":%d}' % n, 1_700_000_000_000_000 + n * 1000) for n in range(300)
    ]
    send(bootstrap, sent, 1_234_567)
    received = read_from(bootstrap, start, len(sent))
    assert len(received) == 300
    by_key = {message.key(): message for message in received}
    for record in sent:
        message = by_key[record.key]
        assert message.value() == record.value
        assert message.partition() == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS
        assert message.timestamp()[1] == record.at_us // 1000
        assert message.headers() == [(SENT_AT_HEADER, b"1234567")]


def test_empty_and_absent_values_arrive_as_such(bootstrap: str) -> None:
    start = ends(bootstrap)
    at_us = 1_700_000_000_000_000
    send(bootstrap, [Record(PRODUCT_VIEWS, b"a", b"", at_us), Record(PRODUCT_VIEWS, b"a", None, at_us)], 1)
    assert [message.value() for message in read_from(bootstrap, start, 2)] == [b"", None]


def test_an_unreachable_broker_is_waited_for_and_reported(unused_tcp_port: int) -> None:
    messages: list[str] = []
    stop = threading.Event()
    sender = KafkaSender(config(f"127.0.0.1:{unused_tcp_port}"), messages.append, stop.is_set)
    threading.Timer(3.0, stop.set).start()
    assert not sender.wait_for_broker()
    assert "Kafka at 127.0.0.1" in messages[0]


def test_what_cannot_be_delivered_is_reported_loudly(unused_tcp_port: int) -> None:
    sender = KafkaSender(config(f"127.0.0.1:{unused_tcp_port}"), silent, lambda: True)
    sender.send([Record(TRANSACTIONS, b"k", b"v", 0)] * 3, 1)
    with pytest.raises(DeliveryError, match="3 records were not delivered"):
        sender.flush(1.0)


def command(broker: EmbeddedStack, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, **SMALL, **broker.environment()}
    line = [sys.executable, "-m", "app.cli", "generate", *arguments]
    return subprocess.Popen(line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def counted(start: dict[tuple[str, int], int], bootstrap: str) -> dict[str, int]:
    """Records per topic since these offsets."""
    counts: Counter[str] = Counter()
    for (topic, partition), end in ends(bootstrap).items():
        counts[topic] += end - start[topic, partition]
    return dict(counts)


def test_the_command_sends_a_history_and_sums_it_up(broker: EmbeddedStack, bootstrap: str, tmp_path: Path) -> None:
    start, report = ends(bootstrap), tmp_path / "summary.json"
    arguments = ("--backfill", "2d", "--orders-per-day", "500", "--summary-file", str(report))
    process = command(broker, *arguments)
    _, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, complaints
    figures = json.loads(report.read_text())
    produced = {topic: counts["produced"] for topic, counts in figures["topics"].items()}
    assert counted(start, bootstrap) == produced
    assert 850 < produced[TRANSACTIONS] < 1150


def test_an_interrupt_delivers_what_is_under_way_and_ends_cleanly(
    broker: EmbeddedStack, bootstrap: str, tmp_path: Path
) -> None:
    start, report = ends(bootstrap), tmp_path / "summary.json"
    process = command(broker, "--rate", "2", "--summary-file", str(report))
    wait_until(lambda: process.poll() or sum(counted(start, bootstrap).values()) >= 500)
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, complaints
    assert "sent " in output
    figures = json.loads(report.read_text())
    assert figures["delivered"]
    assert sum(counted(start, bootstrap).values()) == figures["sent"] >= 500


def test_the_line_the_demo_prints_brings_a_file_in(broker: EmbeddedStack, bootstrap: str, tmp_path: Path) -> None:
    """Whatever settings file lies in the folder."""
    start = ends(bootstrap)
    (tmp_path / "shop.csv").write_text("user_id,timestamp,total_amount\nann,2025-01-01,5\n")
    (tmp_path / ".env").write_text("GLOBALMART_KAFKA_BOOTSTRAP=127.0.0.1:1\n")
    line = import_line(broker)
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=clean_environment(), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "the ledger should show: 1 orders stored, sum 5.00" in done.stdout
    assert counted(start, bootstrap)[TRANSACTIONS] == 1


@pytest.mark.parametrize(
    "arguments", [("--backfill", "soon"), ("--start", "2025-01-01"), ("--rate", "-1"), ("--map", "x")]
)
def test_wrong_arguments_end_with_exit_code_2(broker: EmbeddedStack, arguments: list[str]) -> None:
    process = command(broker, *arguments)
    _, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert "Invalid value" in complaints
