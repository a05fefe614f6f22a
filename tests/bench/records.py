"""The records every contender consumes: a pre-filled topic, the same for all."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from app.kafka.admin import create_topics
from app.settings import Settings


def fill_transactions(settings: Settings, environment: Mapping[str, str], count: int) -> None:
    """Create the topics and send `count` transactions at the guide's rate in event time, flat out in real time.

    Without malformed ones: the plain agent would crash on them.
    """
    kafka = settings.kafka
    create_topics(kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours)
    began = datetime.now(UTC) - timedelta(seconds=count / settings.generator.transaction_rate)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "app.cli",
            "generate",
            "--count",
            str(count),
            "--seed",
            "1",
            "--start",
            began.strftime("%Y-%m-%dT%H:%M:%S"),
            "--record-time",
            "event",
            "--view-rate",
            "0",
            "--cart-rate",
            "0",
            "--metric-rate",
            "0",
        ],
        env={**environment, "GLOBALMART_GENERATOR_MALFORMED_SHARE": "0"},
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
