"""`globalmart rules`, `lists` and `labels` as people call them, on a real database."""

import getpass
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.fraud.editions import load_rulebook
from app.fraud.labels import OrderLabel, import_labels
from app.fraud.rulebook import Rulebook
from app.fraud.starter_rules import STARTER_LIST, starter_rules
from app.generator.attacks_truth import FRAUD, Truth, TruthFile
from app.postgres.connections import connect_desk
from compose.embedded.stack import EmbeddedStack
from tests.ops.rule_test.test_process_pool import store
from tests.support.command_line import CommandLine
from tests.support.databases import Database, database

__all__ = ["database"]

SPREE = {"kind": "spend", "id": "spree", "name": "Spree", "above": "8000.00", "seconds": 3600}
WATCH = {"kind": "list", "id": "watched", "name": "Watched", "field": "card", "list": "stolen"}
AUTHOR = f"cli:{getpass.getuser()}"
LABELLED_AT = "2026-03-03T10:00:00Z"


@pytest.fixture
def command(stack: EmbeddedStack, database: Database) -> CommandLine:
    """The command line on the test's database."""
    return CommandLine(stack, database)


async def _done(command: CommandLine, *arguments: str, text: str = "") -> str:
    done = await command.run(*arguments, text=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _document(command: CommandLine, *arguments: str, text: str = "") -> Any:
    return json.loads(await _done(command, *arguments, "--json", text=text))


async def _refused(command: CommandLine, *arguments: str, text: str = "") -> str:
    done = await command.run(*arguments, text=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


async def _book(database: Database) -> Rulebook:
    async with database.reader() as connection:
        return await load_rulebook(connection)


async def test_the_starter_rules_are_set_by_one_command(command: CommandLine, database: Database) -> None:
    said = await _refused(command, "rules", "set", "app/fraud/starter_rules.json")
    assert f"list: there is no list {STARTER_LIST}; make it first" in said
    assert (await _book(database)).edition == 1
    file = ("rules", "set", "app/fraud/starter_rules.json", "--create-lists", "--reason", "to start with")
    found = await _document(command, *file)
    assert (found["edition"], found["lists"]) == (2, [STARTER_LIST])
    assert found["changed"] == ["high_value", "unusual_quantity", "rapid_transactions"]
    book = await _book(database)
    assert {version.rule.id: version.rule for version in book.rules} == {rule.id: rule for rule in starter_rules()}
    assert book.lists == {STARTER_LIST: {}}
    # Once more nothing is to do, whether they come from the file or from the program.
    assert f"edition 2: as they were: {starter_rules()[0].id}" in await _done(command, "rules", "set", "--starter")
    assert (await _book(database)).edition == 2
    (row,) = await database.fetch("SELECT author, reason FROM fraud_editions WHERE edition = 2")
    assert tuple(row) == (AUTHOR, "to start with")


async def test_a_rule_goes_from_shadow_to_active_and_back(command: CommandLine, database: Database) -> None:
    assert await _done(command, "rules", "set", "-", text=json.dumps(SPREE)) == "edition 2: made spree\n"
    said = await _done(command, "rules", "activate", "spree", "--reason", "it finds fraud")
    assert said == "edition 3: spree is active\n"
    assert await _done(command, "rules", "activate", "spree") == "spree is active already\n"
    assert (await _document(command, "rules", "pause", "spree"))["edition"] == 4
    assert await _done(command, "rules", "shadow", "spree") == "edition 5: spree is shadow\n"
    rule = await _document(command, "rules", "show", "spree")
    states = [version["definition"]["state"] for version in rule["versions"]]
    assert (rule["version"], states) == (4, ["shadow", "paused", "active", "shadow"])
    assert {version["author"] for version in rule["versions"]} == {AUTHOR}
    shown = await _done(command, "rules", "show", "spree")
    assert "above             8000.00" in shown
    assert "it finds fraud" in shown


async def test_thresholds_are_shown_and_changed(command: CommandLine, database: Database) -> None:
    shown = "edition {}: an order is reviewed from a score of {}, blocked from {}\n"
    assert await _done(command, "rules", "thresholds") == shown.format(1, 30, 80)
    said = await _done(command, "rules", "thresholds", "--block-from", "90", "--reason", "too many calls")
    assert said == shown.format(2, 30, 90)
    again = await _document(command, "rules", "thresholds", "--review-from", "30")
    assert again == {"edition": 2, "review_from": 30, "block_from": 90}
    printed = await _refused(command, "rules", "thresholds", "--review-from", "95")
    assert "review_from not above block_from" in printed
    (row,) = await database.fetch("SELECT author, reason FROM fraud_editions WHERE edition = 2")
    assert tuple(row) == (AUTHOR, "too many calls")


async def test_a_rule_of_most_orders_is_set_with_a_warning(command: CommandLine, database: Database) -> None:
    await store(database)
    every = {"kind": "amount", "id": "every", "name": "Every", "above": "0.01"}
    sampled = await _document(command, "rules", "test", "-", "--sample", text=json.dumps(every))
    assert (sampled["raised"], sampled["share"]) == (sampled["orders"], "1.0000")
    done = await command.run("rules", "set", "-", text=json.dumps([every, SPREE]))
    assert (done.returncode, done.stdout) == (0, "edition 2: made every, spree\n")
    assert done.stderr == f"warning: every: {sampled['warning']}\n"
    assert list((await _document(command, "rules", "activate", "every"))["warnings"]) == ["every"]
    assert (await _document(command, "rules", "pause", "every"))["warnings"] == {}
    printed = await _refused(command, "rules", "test", "-", "--sample", "--from", "2026-03-01", text=json.dumps(every))
    assert "give --from and --to, or --sample alone" in printed


async def test_a_definition_that_is_shown_can_be_edited_and_set(command: CommandLine, database: Database) -> None:
    definition = json.loads(await _done(command, "rules", "show", "high_value", "--definition"))
    said = await _done(command, "rules", "set", "-", text=json.dumps([definition | {"above": "750.50"}, SPREE]))
    assert said == "edition 2: made spree; changed high_value\n"
    listed = await _document(command, "rules", "list")
    assert [rule["id"] for rule in listed["rules"]][0::3] == ["high_value", "spree"]
    assert listed["rules"][0]["definition"]["above"] == "750.50"
    assert (listed["edition"], listed["review_from"], listed["block_from"]) == (2, 30, 80)
    table = await _done(command, "rules", "list")
    assert ["spree", "spend", "shadow", "medium", "50", "1", "0", "0"] in [
        line.split()[:8] for line in table.splitlines()
    ]
    assert "edition 2: an order is reviewed from a score of 30, blocked from 80" in table


async def test_rules_that_are_not_valid_are_all_named_and_none_is_set(command: CommandLine, database: Database) -> None:
    wrong = [SPREE, SPREE | {"above": 0}, SPREE | {"id": "Spree"}]
    said = await _refused(command, "rules", "set", "-", text=json.dumps(wrong))
    assert "rule 2: above must be an amount from 0.01" in said
    assert "rule 3: id: " in said
    for text, part in (
        (json.dumps([SPREE, SPREE]), "id: spree is there twice"),
        ("[]", "there is no rule in the array"),
        ("{", "the definition is no JSON"),
    ):
        assert part in await _refused(command, "rules", "set", "-", text=text)
    for arguments, part in (
        (("set", "absent.json"), "absent.json cannot be read (No such file or directory): give a file, or -"),
        (("set",), "give either FILE or --starter"),
        (("set", "-", "--starter"), "give either FILE or --starter"),
        (("show", "nobody"), "there is no rule nobody"),
        (("activate", "nobody"), "there is no rule nobody; the rules are high_value,"),
        (("pause", "high_value", "--reason", "x" * 501), "reason: write 0 to 500 characters"),
    ):
        assert part in await _refused(command, "rules", *arguments)
    assert (await _book(database)).edition == 1


async def test_lists_are_filled_shown_and_emptied(command: CommandLine, database: Database, tmp_path: Path) -> None:
    assert "there is no list stolen; the lists are none" in await _refused(command, "lists", "add", "stolen", "c1")
    added = ("lists", "add", "stolen", "c1", "c2", "--expires-at", "2026-03-01", "--note", "lost, perhaps", "--create")
    assert await _done(command, *added) == "edition 2: the list stolen has 2 values\n"
    sheet = tmp_path / "cards.csv"
    # As a spreadsheet writes it: a byte order mark, carriage returns, a quoted comma.
    sheet.write_bytes(
        b'\xef\xbb\xbfvalue,note,expires_at\r\nc2,"found, again",\r\n\r\nc3,,2099-01-01T12:00:00+01:00\r\n'
    )
    found = await _document(command, "lists", "import", "stolen", str(sheet), "--reason", "from the bank")
    assert found == {"edition": 3, "list": "stolen", "entries": 3, "changed": 2, "added": 1, "unchanged": 0}
    page = await _document(command, "lists", "show", "stolen", "--limit", "2")
    assert [(entry["value"], entry["expires_at"], entry["note"]) for entry in page["entries"]] == [
        ("c1", "2026-03-01T00:00:00Z", "lost, perhaps"),
        ("c2", None, "found, again"),
    ]
    (last,) = (await _document(command, "lists", "show", "stolen", "--after", page["next_after"]))["entries"]
    assert (last["value"], last["expires_at"], last["author"]) == ("c3", "2099-01-01T11:00:00Z", AUTHOR)
    assert "from the bank" in await _done(command, "lists", "show", "stolen")
    assert "more: --after c1" in await _done(command, "lists", "show", "stolen", "--limit", "1")
    (found,) = (await _document(command, "lists", "show", "stolen", "--search", "C2"))["entries"]
    assert found["value"] == "c2"
    removed = await _done(command, "lists", "remove", "stolen", "c1", "c9")
    assert removed == "edition 4: the list stolen has 2 values; as they were: 1\n"
    assert set((await _book(database)).lists["stolen"]) == {"c2", "c3"}
    (one,) = (await _document(command, "lists", "list"))["lists"]
    assert (one["name"], one["entries"], one["expired"]) == ("stolen", 2, 0)
    assert await _done(command, "rules", "set", "-", text=json.dumps(WATCH)) == "edition 5: made watched\n"


async def test_an_empty_list_is_made_once(command: CommandLine, database: Database) -> None:
    assert await _done(command, "lists", "new", "stolen") == "edition 2: the list stolen has 0 values\n"
    assert "there is a list stolen already" in await _refused(command, "lists", "new", "stolen")
    assert "lower-case letters, digits and _" in await _refused(command, "lists", "new", "Stolen")
    assert (await _book(database)).edition == 2


async def test_lines_of_a_list_that_are_not_valid_are_named(command: CommandLine, database: Database) -> None:
    text = f"value,expires_at,note\nc1,,\nc2,tomorrow,\n,,\nc3,a\nc1,,other\n{'x' * 101},,\n"
    said = await _refused(command, "lists", "import", "stolen", "-", "--create", text=text)
    for part in (
        "nothing is stored",
        "line 3: expires_at: 'tomorrow' is no date or time; write a date such as",
        "line 4: value: a value of a list has 1 to 100 characters",
        "line 5: it has 2 fields, the header has 3",
        "line 6: value: line 2 has it with another expires_at or note",
        "line 7: value: a value of a list has 1 to 100 characters",
    ):
        assert part in said
    for text, part in (
        ("", "line 1: there is no column value; write the header value,[expires_at],[note]"),
        ("value,until\nc1,\n", "line 1: 'until' is no column here"),
        ("value,value\nc1,c1\n", "line 1: the column value is there twice"),
        ("value\n", "there is no line after the header"),
        ('value\nc1\n"c2\nc3\n', "line 3: unexpected end of data; correct the quotes there"),
    ):
        assert part in await _refused(command, "lists", "import", "stolen", "-", "--create", text=text)
    assert (await _book(database)).edition == 1


async def test_labels_are_stored_once_and_counted(command: CommandLine, database: Database, tmp_path: Path) -> None:
    known = [row.transaction_id for row in await store(database)][:2]
    sheet = tmp_path / "labels.csv"
    lines = [
        "transaction_id,label,event_time,source",
        f"{known[0]},fraud,{LABELLED_AT},chargeback",
        f"{known[1]},legitimate,{LABELLED_AT},",
        f"{known[1]},fraud,2026-03-04,analyst",
        f"unheard-of,fraud,{LABELLED_AT},",
    ]
    sheet.write_text("\n".join(lines))
    assert await _document(command, "labels", "import", str(sheet)) == {"stored": 4, "repeated": 0, "without_order": 1}
    assert await _done(command, "labels", "import", "-", text=sheet.read_text()) == (
        "0 labels stored, 4 known already; 1 orders among them are not stored\n"
    )
    rows = await database.fetch("SELECT transaction_id, label, source, author FROM order_labels")
    assert {tuple(row) for row in rows} == {
        (known[0], "fraud", "chargeback", AUTHOR),
        (known[1], "fraud", "analyst", AUTHOR),
        ("unheard-of", "fraud", "import", AUTHOR),
    }


async def test_the_generators_truth_is_a_file_of_labels(command: CommandLine) -> None:
    truth = io.StringIO()
    TruthFile(truth).add("order", "2026-03-03T10:00:00.123+00:00", Truth(FRAUD, "card_testing", 1))
    counts = await _document(command, "labels", "import", "-", text=truth.getvalue())
    assert counts == {"stored": 1, "repeated": 0, "without_order": 1}


async def test_lines_of_labels_that_are_not_valid_are_named(command: CommandLine, database: Database) -> None:
    lines = [
        "transaction_id,label,event_time",
        f"a,fraud,{LABELLED_AT}",
        f"b,Fraud,{LABELLED_AT}",
        "c,fraud,2999-01-01",
    ]
    said = await _refused(command, "labels", "import", "-", text="\n".join([*lines, "d,fraud,1762041600", ",fraud,"]))
    for part in (
        "line 3: label: 'Fraud' is no label; write fraud or legitimate",
        "line 4: event_time: 2999-01-01T00:00:00+00:00 lies in the future",
        "line 5: event_time: '1762041600' looks like seconds",
        "line 6: event_time: '' is no date or time",
    ):
        assert part in said
    many = [lines[0], *(f"{number},odd,{LABELLED_AT}" for number in range(30))]
    assert "and 10 more" in await _refused(command, "labels", "import", "-", text="\n".join(many))
    assert await database.fetch("SELECT FROM fraud_labels") == []


async def test_any_number_of_labels_is_one_transaction(database: Database) -> None:
    at = datetime(2026, 3, 3, tzinfo=UTC)
    label = OrderLabel("twice", "fraud", "import", at)
    several = [label, *(OrderLabel(f"id-{n}", "fraud", "import", at) for n in range(25_000)), label]
    desk = await connect_desk(database.postgres, "test")
    try:
        assert await import_labels(desk, several, AUTHOR) == (25_001, 1, 25_001)
    finally:
        await desk.close()


@pytest.mark.parametrize(
    "arguments", [("rules", "list"), ("rules", "pause", "high_value"), ("lists", "list"), ("labels", "import", "-")]
)
async def test_without_the_desks_password_the_setting_is_named(
    arguments: tuple[str, ...], stack: EmbeddedStack, database: Database
) -> None:
    command = CommandLine(stack, database, POSTGRES_DESK_PASSWORD="")
    text = f"transaction_id,label,event_time\na,fraud,{LABELLED_AT}\n"
    assert "GLOBALMART_POSTGRES_DESK_PASSWORD is not set" in await _refused(command, *arguments, text=text)
