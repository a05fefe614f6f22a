"""The documents name only what exists, lead somewhere, and their tables are the program's own."""

import importlib.util
import re
from collections.abc import Iterator
from typing import Final

import pytest

from app.cli.commands import COMMANDS
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
from tests.support.command_line import options_of
from tests.support.databases import Database, database
from tests.support.documents import PROJECT, Document, anchor, chapters, documents, read
from tests.support.exposed import exposed_metrics, exposed_series

__all__ = ["database"]

#: CHANGELOG speaks of former versions, too: names in it may be gone.
_CURRENT: Final = [page for page in documents() if page.name != "CHANGELOG.md"]
_MOST_LINES_OF_README: Final = 220
#: What a run makes: such a path need not exist in a clone.
_MADE_BY_RUNS: Final = ("var/", ".venv/", "/", "~")
_FILE: Final = re.compile(r"[\w./-]+\.(?:py|sql|sh|toml|lock|yml|yaml|json|js|conf|md|crontab|service|timer|txt)")
_DIFFERENCES: Final = "\n## Changed from the first guide\n"
_FOLDERS: Final = ("app", "agents", "tables", "batch", "api", "grafana", "compose", "tests")


def _each(pages: list[Document]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=[page.name for page in pages])


def _calls(page: Document) -> Iterator[tuple[str, list[str]]]:
    """Every `globalmart COMMAND ...` in code, with its long options."""
    for line in page.code:
        for called in () if "psql" in line else re.finditer(r"(?:^|[\s/])globalmart ([a-z][a-z-]*)([^|;]*)", line):
            yield called[1], re.findall(r"(?<!\S)--[a-z-]+", called[2])


def _named_files(page: Document) -> Iterator[str]:
    """Paths in code that are of this project; the table of differences names files of the first guide, too."""
    for span in Document(page.name, page.text.split(_DIFFERENCES)[0]).spans:
        path = span.split(":")[0]
        inside = path.split("/")[0] in _FOLDERS and "/" in path and " " not in path
        if (inside or _FILE.fullmatch(path)) and not path.startswith(_MADE_BY_RUNS):
            yield path


def _exists(page: Document, path: str) -> bool:
    """Whether a path is there as seen from the project or from the page; a bare name may lie in any folder."""
    if (PROJECT / path).exists() or (page.path.parent / path).exists():
        return True
    return "/" not in path and any(next((PROJECT / folder).rglob(path), None) for folder in _FOLDERS)


def test_the_readme_is_short() -> None:
    assert len(read("README.md").text.splitlines()) <= _MOST_LINES_OF_README


def test_the_readme_leads_to_every_document() -> None:
    readme = read("README.md")
    linked = {readme.target(link)[0] for link in readme.links}
    others = [page for page in documents() if page.name != "README.md" and "/runbooks/" not in page.name]
    assert [page.name for page in others if page.path not in linked] == []


def test_the_settings_table_is_the_generated_one() -> None:
    text = read("app/settings/README.md").text
    assert text.split("<!-- settings:begin -->")[1].split("<!-- settings:end -->")[0].strip() == markdown_table()


@_each(_CURRENT)
def test_every_setting_named_exists(page: Document) -> None:
    known = {variable for variable, _ in documented_settings()} | {ENV_FILE_VARIABLE}
    known |= {file_variable(variable) for variable in secret_variables()}
    assert set(re.findall(r"GLOBALMART_[A-Z_]*[A-Z]\b", page.text)) - known == set()


@_each(_CURRENT)
def test_every_command_named_exists_with_itsoptions_of(page: Document) -> None:
    commands = {command.name for command in COMMANDS}
    calls = list(_calls(page))
    assert {command for command, _ in calls} - commands == set()
    assert [
        (command, option) for command, options in calls for option in options if option not in options_of(command)
    ] == []


def test_the_table_of_commands_is_complete() -> None:
    table = read("app/ops/README.md").first_column("Commands", "command")
    assert {call.split()[1] for call in table} == {command.name for command in COMMANDS}


@_each(_CURRENT)
def test_every_make_target_named_exists(page: Document) -> None:
    targets = set(re.findall(r"^(\w+):.*##", (PROJECT / "Makefile").read_text(), re.M))
    assert {target for line in page.code for target in re.findall(r"\bmake ([a-z]+)", line)} - targets == set()


def test_the_table_of_make_targets_is_complete() -> None:
    targets = set(re.findall(r"^(\w+):.*##", (PROJECT / "Makefile").read_text(), re.M)) - {"help", "packages"}
    section = read("tests/README.md").section("Development")
    assert {
        target for row in re.findall(r"^\| (.+?) \|", section, re.M) for target in re.findall(r"make (\w+)", row)
    } == (targets)


@_each(_CURRENT)
def test_every_file_named_exists(page: Document) -> None:
    assert [path for path in _named_files(page) if not _exists(page, path)] == []


@_each(_CURRENT)
def test_every_module_and_test_called_exists(page: Document) -> None:
    modules = [name for line in page.code for name in re.findall(r"python -m ([\w.]+)", line)]
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    tests = [path for line in page.code for path in re.findall(r"pytest ((?:tests/\S+ ?)+)", line)]
    assert [path for paths in tests for path in paths.split() if not (PROJECT / path.split("::")[0]).exists()] == []


def test_the_metrics_table_is_complete() -> None:
    assert sorted(read("grafana/README.md").first_column("Metrics", "metric")) == sorted(
        name for name in exposed_metrics() if name.startswith("globalmart_")
    )


@_each(_CURRENT)
def test_no_other_metric_is_named(page: Document) -> None:
    roles = {PostgresSettings.model_fields[f"{r}_user"].default for r in ("worker", "reader")} | {"globalmart_desk"}
    others = roles | {MongoSettings.model_fields["database"].default}
    assert set(re.findall(r"\bglobalmart_\w+", page.text)) - others <= exposed_metrics() | exposed_series()


def test_the_tables_of_topics_and_reasons_are_complete() -> None:
    page = read("app/README.md")
    assert page.first_column("Topics", "topic") == [topic.name for topic in TOPICS]
    assert page.first_column("Dead letters", "reason") == [reason.value for reason in Reason]


def test_the_table_of_tables_is_complete() -> None:
    sql = "\n".join(migration.sql for migration in known_migrations())
    made = set(re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", sql, re.M)) | {"schema_version"}
    assert set(read("app/README.md").first_column("PostgreSQL", "table")) == made


async def test_the_queries_run_as_the_reader(database: Database) -> None:
    blocks = [block for page in chapters() for language, block in page.blocks if language == "sql"]
    code = re.sub(r"--.*", "", "\n".join(blocks))
    queries = [query for query in code.split(";") if query.split()[:1] == ["SELECT"]]
    assert queries
    async with database.reader() as connection:
        for query in queries:
            await connection.fetch(query)


@_each(documents())
def test_links_lead_somewhere(page: Document) -> None:
    broken = []
    for link in page.links:
        target, fragment = page.target(link)
        if not target.exists() or (fragment and fragment not in read(str(target.relative_to(PROJECT))).anchors):
            broken.append(link)
    assert broken == []


@_each([page for page in documents() if re.search(r"^- \[[^\]]+\]\(#", page.prose, re.M)])
def test_a_table_of_contents_is_complete_and_in_order(page: Document) -> None:
    contents = re.findall(r"^- \[([^\]]+)\]\(#([^)]+)\)$", page.prose, re.M)
    assert [name for name, _ in contents] == [text for level, text in page.headings if level == 2]
    assert [link for _, link in contents] == [anchor(name) for name, _ in contents]
