"""A small shop for tests: its traffic, and what the pipeline would make of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.events.decoding import Decoder, TimeLimits
from app.events.rows import DecodedRecords
from app.generator.mix import Rates
from app.generator.record import Record
from app.generator.shop import Shop, build_shop
from app.generator.traffic import Plan, Traffic
from app.settings import AnomalySettings, GeneratorSettings, StreamSettings
from app.topics import SOURCES

START_US = 1_750_000_000_000_000
GUIDE_RATES = Rates(200.0, 300.0, 100.0, 10.0)
ANOMALY = AnomalySettings()
STREAM = StreamSettings()
NO_FAULTS = {
    "late_share": 0.0,
    "out_of_order_share": 0.0,
    "duplicate_share": 0.0,
    "conflicting_share": 0.0,
    "malformed_share": 0.0,
    "forgiven_share": 0.0,
}
NO_ANOMALIES = {"high_value_share": 0.0, "unusual_quantity_share": 0.0, "rapid_share": 0.0}
_LIMITS = TimeLimits(STREAM.future_tolerance_seconds * 1_000_000)
_DECODERS: dict[str, Any] = {name: Decoder(topic, _LIMITS) for name, topic in SOURCES.items()}


@dataclass(frozen=True, slots=True)
class KafkaRecord:
    """A record as the worker reads it; `timestamp` in milliseconds."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    offset: int


def settings(**changes: Any) -> GeneratorSettings:
    """Generator settings of a shop that is quick to build."""
    small = {"users": 20_000, "products": 2_000, "categories": 20, "seed": 1}
    return GeneratorSettings(**{**small, **changes})


def shop(config: GeneratorSettings) -> Shop:
    """The shop of these settings, built once."""
    return _shop(config.users, config.products, config.categories, config.countries)


@cache
def _shop(users: int, products: int, categories: int, countries: str) -> Shop:
    config = GeneratorSettings(users=users, products=products, categories=categories, countries=countries)
    return build_shop(config, ANOMALY)


def live(config: GeneratorSettings, rates: Rates = GUIDE_RATES, run_id: str = "run") -> Traffic:
    """Live traffic from START_US on."""
    return Traffic(shop(config), Plan(rates, START_US, None, 0.0, run_id), config, ANOMALY, STREAM)


def play(traffic: Traffic, seconds: float) -> list[Record]:
    """The records of so many seconds."""
    return list(traffic.records(START_US + int(seconds * 1_000_000), 0, None))


def decode(topic: str, records: Iterable[Record]) -> DecodedRecords[Any]:
    """What the worker's decoder makes of the records of one topic."""
    mine = [record for record in records if record.topic == topic]
    return decode_all(topic, mine)


def decode_all(topic: str, records: Sequence[Record]) -> DecodedRecords[Any]:
    """The same for records that all belong to the topic; offsets are their indexes."""
    read = [
        KafkaRecord(record.key, record.value, record.at_us // 1000, offset) for offset, record in enumerate(records)
    ]
    decoded: DecodedRecords[Any] = _DECODERS[topic].decode(read)
    return decoded
