"""From a refused record to a stored one, by hand, with a real worker: once, and the recount agrees."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter

from app.errors import LockHeldError
from app.kafka.producer import REPLAY_OF_HEADER
from app.kafka.reader import KafkaReader
from app.ops.dead_letters.correction import Correction
from app.ops.dead_letters.service import replay
from app.settings import Settings
from app.topics import TRANSACTIONS
from tests.faults.load import Sent
from tests.faults.processes import ROOT
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, letter_ids, order
from tests.support.waiting import PATIENCE_SECONDS


async def stored(world: World) -> dict[str, str]:
    rows = await world.sql("SELECT transaction_id, total_amount FROM transactions")
    return {row["transaction_id"]: str(row["total_amount"]) for row in rows}


async def replays_in_kafka(world: World) -> Counter[str]:
    """How often each place was sent again, by the header."""
    found: Counter[str] = Counter()
    with KafkaReader({"bootstrap.servers": world.bootstrap}) as kafka:
        for partition in await kafka.partitions(TRANSACTIONS):
            low, high = await kafka.bounds(TRANSACTIONS, partition)
            async for batch in kafka.read(TRANSACTIONS, partition, low, high):
                for record in batch:
                    origin = dict(record.headers).get(REPLAY_OF_HEADER)
                    found.update([origin.decode()] if origin else [])
    return found


async def test_letters_are_listed_shown_corrected_and_sent_again_once(world: World) -> None:
    worker = world.worker()
    broken = Sent(TRANSACTIONS, b"bob", b'{"transaction_id": \xff')
    records = [order("good"), order("words", total_amount="ten"), broken]
    records += [order("other-key", user="eve", key="mallory"), order("hopeless", total_amount=-1)]
    await deliver(world, records)
    ids = await letter_ids(world)
    assert len(ids) == 4

    # listed by pages and filters
    page = await asyncio.to_thread(globalmart, world, "dead-letters", "list", "--limit", "3", "--json")
    first = json.loads(page.stdout)
    assert [letter["id"] for letter in first["dead_letters"]] == sorted(ids.values())[:0:-1]
    following = str(first["next_before"])
    page = await asyncio.to_thread(globalmart, world, "dead-letters", "list", "--json", "--before", following)
    rest = json.loads(page.stdout)
    assert ([letter["id"] for letter in rest["dead_letters"]], rest["next_before"]) == ([min(ids.values())], None)
    listed = await asyncio.to_thread(
        globalmart, world, "dead-letters", "list", "--reason", "key_mismatch", "--topic", TRANSACTIONS
    )
    assert "key_mismatch" in listed.stdout
    assert "invalid_amount" not in listed.stdout

    # shown with its bytes and headers
    shown = await asyncio.to_thread(globalmart, world, "dead-letters", "show", str(ids["words"]))
    assert '"total_amount": "ten"' in shown.stdout
    assert "sent_at_ms: " in shown.stdout
    missing = await asyncio.to_thread(globalmart, world, "dead-letters", "show", "987654")
    assert "no such dead letter: 987654" in str(missing.exception)

    # what would be rejected again is not sent, what is corrected is stored
    hopeless = await asyncio.to_thread(
        globalmart, world, "dead-letters", "replay", "--reason", "invalid_amount", "--wait", "0"
    )
    assert hopeless.exit_code == 1
    assert hopeless.stdout.count("would be rejected again") == 2
    fixed = await asyncio.to_thread(
        globalmart, world, "dead-letters", "replay", str(ids["words"]), "--set", "total_amount=12.50", "--by", "grace"
    )
    assert fixed.exit_code == 0, fixed.output
    assert "by grace, corrected: stored" in fixed.stdout
    rekeyed = await asyncio.to_thread(
        globalmart, world, "dead-letters", "replay", str(ids["other-key"]), "--rekey", "--json"
    )
    assert json.loads(rekeyed.stdout)["dead_letters"][0]["replay"]["outcome"] == "stored"
    assert await stored(world) == {"good": "10.00", "words": "12.50", "other-key": "10.00"}

    # sent against advice it is a dead letter once more, and so are its books
    again = await asyncio.to_thread(globalmart, world, "dead-letters", "replay", str(ids["hopeless"]), "--force")
    assert "dead_lettered (rejected again: invalid_amount)" in again.stdout

    # a second time nothing happens
    second = await asyncio.to_thread(
        globalmart, world, "dead-letters", "replay", str(ids["words"]), "--set", "total_amount=1"
    )
    assert second.exit_code == 1
    assert "replayed before, by grace" in second.stdout
    assert set((await replays_in_kafka(world)).values()) == {1}
    await world.exact()
    assert worker.stop() == 0


def killed_at(world: World, step: str, ids: list[int]) -> int:
    """Exit code of a replay that kills itself at a step."""
    command = [sys.executable, "-m", "tests.ops.dead_letters.armed_replay", step, *map(str, ids)]
    environ = os.environ | world.environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environ, cwd=ROOT, timeout=PATIENCE_SECONDS, check=False).returncode


async def test_killed_and_simultaneous_replays_send_each_letter_once(world: World) -> None:
    world.worker()
    names = ["a", "b", "c", "d"]
    await deliver(world, [order(name, total_amount="ten") for name in names])
    ids = await letter_ids(world)
    settings = Settings(world.environment())
    correction = Correction({"total_amount": "3.00"})

    # killed before the send: nothing is in Kafka, the claim is known and finished by the next
    assert await asyncio.to_thread(killed_at, world, "claimed", [ids["a"]]) == -9
    assert await replays_in_kafka(world) == {}
    # killed after the send and before the mark: it is found in Kafka and not sent again
    assert await asyncio.to_thread(killed_at, world, "sent", [ids["b"], ids["c"]]) == -9
    assert len(await replays_in_kafka(world)) == 2
    listed = await asyncio.to_thread(globalmart, world, "dead-letters", "list", "--json")
    replays = [letter["replay"] for letter in json.loads(listed.stdout)["dead_letters"]]
    assert [r["sent_at"] for r in replays if r] == [None, None, None]

    done = await replay(settings, sorted(ids.values()), correction, by="next", wait_seconds=30)
    assert sorted(done.replayed.recovered) == sorted([ids["b"], ids["c"]])
    assert sorted(done.replayed.sent) == sorted([ids["a"], ids["d"]])
    assert [letter.replay.outcome for letter in done.letters if letter.replay] == ["stored"] * 4
    by = {letter.id: letter.replay.requested_by for letter in done.letters if letter.replay}
    assert (by[ids["a"]], by[ids["d"]]) == ("killed", "next")
    assert set((await replays_in_kafka(world)).values()) == {1}

    # many at once: one at a time, the others are refused or find it done
    await deliver(world, [order("e", total_amount="ten")])
    ids = await letter_ids(world)
    outcomes = await asyncio.gather(
        *(replay(settings, [ids["e"]], correction, by=f"r{n}", wait_seconds=30) for n in range(4)),
        return_exceptions=True,
    )
    sent = [o for o in outcomes if not isinstance(o, BaseException) and o.replayed.sent]
    assert len(sent) == 1
    assert all(isinstance(o, LockHeldError) for o in outcomes if isinstance(o, BaseException))
    assert set((await replays_in_kafka(world)).values()) == {1}

    # the send that no one can rule out: a request of a dead sender that arrives late
    row = (await world.sql("SELECT key, value FROM dead_letter_replays LIMIT 1"))[0]
    await deliver(world, [Sent(TRANSACTIONS, row["key"], row["value"])])
    report = await world.exact()
    assert report.topics[TRANSACTIONS].found["stored"] == 5
    assert report.topics[TRANSACTIONS].found["duplicates"] == 1
    assert await stored(world) == dict.fromkeys([*names, "e"], "3.00")
