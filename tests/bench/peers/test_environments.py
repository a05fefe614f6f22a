"""The peers' environments: versions come from the pins, other jars than pinned are named."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.bench.measuring import Measured
from tests.bench.peers.environments import PeersError, differences, jar_version, pinned_versions
from tests.bench.peers.part import ratios


def test_the_versions_are_the_guides_own() -> None:
    versions = pinned_versions()
    assert versions["pyspark"] == versions["spark-sql-kafka-0-10_2.12"] == "3.5.0"
    assert all(version[0].isdigit() for version in versions.values())


def test_the_pom_asks_for_what_is_pinned() -> None:
    pom = (Path(__file__).parent / "pom.xml").read_text()
    versions = pinned_versions()
    for artifact in ("spark-sql-kafka-0-10_2.12", "postgresql"):
        after = pom.partition(f"<artifactId>{artifact}</artifactId>")[2]
        assert after.split("<version>")[1].split("</version>")[0] == versions[artifact]


def test_a_jar_without_a_pin_is_an_error() -> None:
    jars = {"kafka-clients-3.4.1.jar", "kafka-clients-extra-9.jar"}
    assert jar_version(jars, "kafka-clients") == "3.4.1"
    with pytest.raises(PeersError, match="no jar of postgresql is pinned"):
        jar_version(jars, "postgresql")


def test_missing_changed_and_surplus_jars_are_named(tmp_path: Path) -> None:
    good, changed, surplus = (tmp_path / f"{name}.jar" for name in ("good", "changed", "surplus"))
    for jar in (good, changed, surplus):
        jar.write_bytes(jar.name.encode())
    digest = sha256(good.read_bytes()).hexdigest()
    pins = f"{digest}  good.jar\n{digest}  changed.jar\n{digest}  missing.jar\n"
    assert [line.partition(":")[0] for line in differences(tmp_path, pins)] == [
        "changed.jar",
        "missing.jar",
        "surplus.jar",
    ]


def test_ratios_are_medians_of_rounds() -> None:
    def runs(*rates: float) -> list[Measured]:
        return [Measured(1, rate, 1.0, 1.0) for rate in rates]

    assert ratios({"worker": runs(10, 20, 90), "quix": runs(5, 5, 30)}) == {"worker_to_quix": 3.0}
