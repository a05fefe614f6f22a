"""The README names only what exists, and its tables are the program's own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from app.cli.commands import COMMANDS, build_app
from app.cli.settings import markdown_table
from app.events.rejections import Reason
from app.postgres.migrate import known_migrations
from app.settings import (
    ENV_FILE_VARIABLE,
    MongoSettings,
    PostgresSettings,
    documented_settings,
    file_variable,
    secret_variables,
)
from app.topics import TOPICS
from tests.support.databases import Database, database
from tests.support.exposed import exposed_metrics

__all__ = ["database"]

_PROJECT = Path(__file__).parents[1]
_PAGES = ("README.md", "CHANGELOG.md", "DECISIONS.md")
_README = (_PROJECT / "README.md").read_text(encoding="utf-8")
_FENCES = re.compile(r"^```.*?\n(.*?)^```", re.M | re.S)
_SPANS = re.compile(r"`([^`\n]+)`")


def _code(text: str) -> list[str]:
    """Lines of the fenced blocks without their comments, and the inline code."""
    blocks = [line.split("#")[0] for block in _FENCES.findall(text) for line in block.splitlines()]
    return blocks + _SPANS.findall(_FENCES.sub("", text))


def _section(heading: str) -> str:
    """Text under a heading, to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", _README, re.M | re.S)
    assert found is not None, f"no section {heading}"
    return found[1]


def _first_column(table: str, *, header: str) -> list[str]:
    """Code in the first cells of the table that begins with the header."""
    rows = table[table.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    return [_SPANS.findall(row.split("|")[1])[0] for row in rows]


def _calls() -> Iterator[tuple[str, list[str]]]:
    """Every `globalmart COMMAND ...` in code, with its long options."""
    for line in _code(_README):
        called = re.match(r"\s*globalmart ([a-z][a-z-]*)(.*)", line)
        if called is not None:
            yield called[1], re.findall(r"--[a-z-]+", called[2])


def _options(command: str) -> set[str]:
    group = typer.main.get_command(build_app([command]))
    with group.make_context("globalmart", [command]) as context:
        found = group.get_command(context, command)  # type: ignore[attr-defined]
    parts = [found, *getattr(found, "commands", {}).values()]
    parameters = [parameter for part in parts for parameter in part.params]
    return {name for p in parameters for name in (*p.opts, *p.secondary_opts)}


def _exposed_metrics() -> set[str]:
    return {name for name in exposed_metrics() if name.startswith("globalmart_")}


def _resolves(page: str, link: str) -> bool:
    """Whether a relative link's file exists, and its heading if it names one."""
    name, _, anchor = link.partition("#")
    target = _PROJECT / (name or page)
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_settings_table_is_the_generated_one() -> None:
    between = _README.split("<!-- settings:begin -->")[1].split("<!-- settings:end -->")[0]
    assert between.strip() == markdown_table()


def test_every_setting_named_exists() -> None:
    known = {variable for variable, _ in documented_settings()} | {ENV_FILE_VARIABLE}
    known |= {file_variable(variable) for variable in secret_variables()}
    named = set(re.findall(r"GLOBALMART_[A-Z_]*[A-Z]", _README))
    assert named - known == set()


def test_every_command_named_exists_with_its_options() -> None:
    calls = list(_calls())
    assert {command for command, _ in calls} == {command.name for command in COMMANDS}
    unknown = [(command, option) for command, options in calls for option in options if option not in _options(command)]
    assert unknown == []


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):.*##", (_PROJECT / "Makefile").read_text(), re.M))
    named = {target for line in _code(_README) for target in re.findall(r"\bmake (\w+)", line)}
    assert named
    assert named - targets == set()


def test_the_metrics_table_is_complete_and_no_other_metric_is_named() -> None:
    exposed = _exposed_metrics()
    assert sorted(_first_column(_section("Monitor"), header="metric")) == sorted(exposed)
    roles = {PostgresSettings.model_fields[f"{r}_user"].default for r in ("worker", "reader")}
    others = roles | {MongoSettings.model_fields["database"].default}
    assert set(re.findall(r"\bglobalmart_\w+", _README)) - others == exposed


def test_the_tables_of_topics_and_reasons_are_complete() -> None:
    topics = _first_column(_section("Topics"), header="topic")
    reasons = _first_column(_section("Dead letters"), header="reason")
    assert topics == [topic.name for topic in TOPICS]
    assert reasons == [reason.value for reason in Reason]


def test_the_table_of_tables_is_complete() -> None:
    sql = "\n".join(migration.sql for migration in known_migrations())
    made = set(re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", sql, re.M)) | {"schema_version"}
    assert set(_first_column(_section("PostgreSQL"), header="table")) == made


async def test_the_queries_run_as_the_reader(database: Database) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```", _README, re.M | re.S)
    code = re.sub(r"--.*", "", "\n".join(blocks))
    queries = [query for query in code.split(";") if query.split()[:1] == ["SELECT"]]
    assert queries
    async with database.reader() as connection:
        for query in queries:
            await connection.fetch(query)


@pytest.mark.parametrize("page", _PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (_PROJECT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not _resolves(page, link)] == []


def test_the_table_of_contents_is_complete_and_in_order() -> None:
    text = _FENCES.sub("", _README)
    headings = re.findall(r"^##+ (.+)$", text.replace("\n#### ", "\n"), re.M)
    contents = text[: text.index("\n## ")]
    assert re.findall(r"\[([^\]]+)\]\(#", contents[contents.index("\n- [") :]) == headings
