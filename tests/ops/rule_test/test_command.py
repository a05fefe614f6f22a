"""`globalmart rules test` as people call it."""

import json
from pathlib import Path

from compose.embedded.stack import EmbeddedStack
from tests.ops.rule_test.test_process_pool import orders, store
from tests.support.command_line import CommandLine
from tests.support.databases import Database

RULE = {"id": "large", "name": "Large", "kind": "amount", "above": "50.00"}
RANGE = ("--from", "2026-02-01", "--to", "2026-04-01")


async def test_a_draft_in_a_file_or_on_standard_input(stack: EmbeddedStack, database: Database, tmp_path: Path) -> None:
    command, draft = CommandLine(stack, database), tmp_path / "draft.json"
    rows = await store(database)
    large = [row for partition in range(2) for row in orders(partition) if row.amount_cents > 5_000]
    draft.write_text(json.dumps(RULE))
    shown = await command.run("rules", "test", str(draft), *RANGE)
    assert shown.returncode == 0, shown.stderr
    assert f"large would have raised {len(large)} of {len(rows)} orders" in shown.stdout
    assert "High value transaction: $" in shown.stdout
    piped = await command.run("rules", "test", "-", *RANGE, "--json", text=draft.read_text())
    (answer,) = json.loads(piped.stdout)["answers"]
    assert answer["orders"] == len(large)
    known = await command.run("rules", "test", "unusual_quantity", *RANGE, "--json")
    assert json.loads(known.stdout)["answers"][0]["rule_id"] == "unusual_quantity"


async def test_what_is_wrong_is_named(stack: EmbeddedStack, database: Database) -> None:
    command = CommandLine(stack, database)
    calls = (
        (("-", *RANGE), "error: above must be an amount from 0.01"),
        (("nobody", *RANGE), "there is no rule nobody"),
        (("./absent.json", *RANGE), "./absent.json cannot be read (No such file or directory): give a file, -"),
        (("high_value", "--from", "2026-03-01", "--to", "2026-03-01"), "to: the end must be after the start"),
    )
    for arguments, said in calls:
        done = await command.run("rules", "test", *arguments, text=json.dumps(RULE | {"above": 0}))
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
