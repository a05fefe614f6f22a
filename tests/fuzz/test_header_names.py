"""A header name that is no UTF-8 comes from clients that write bytes; it must stop neither worker nor recount."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Final

import pytest

from app.topics import TRANSACTIONS
from tests.faults.processes import ROOT, clean_environment
from tests.faults.world import World
from tests.reconcile.stream.examples import VALID

#: aiokafka's writer in Python lets a name choose its bytes.
_SEND: Final = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class Name(str):
    def encode(self, *_):
        return bytes([255, 254])

async def main(bootstrap, topic, value, codec):
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=200, compression_type=codec or None
    ) as producer:
        sent = []
        for number in range(20):
            name = Name("odd") if number % 7 == 3 else "even"
            unique = value.replace("t1", f"{codec}{number}").encode()
            sent.append(await producer.send(topic, unique, key=b"u1", headers=[(name, b"1")]))
        await asyncio.gather(*sent)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("codec", ["", "zstd"])
async def test_a_header_name_that_is_no_text_stops_nothing(world: World, codec: str) -> None:
    order = json.dumps(dict(VALID[TRANSACTIONS]) | {"timestamp": datetime.now(UTC).isoformat()})
    subprocess.run(
        [sys.executable, "-c", _SEND, world.bootstrap, TRANSACTIONS, order, codec],
        cwd=ROOT,
        env=clean_environment() | {"AIOKAFKA_NO_EXTENSIONS": "1"},
        check=True,
    )
    worker = world.worker()
    report = await world.exact()
    assert report.topics[TRANSACTIONS].found["stored"] == 20
    assert worker.exit_code is None, worker.tail()
