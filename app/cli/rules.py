"""`globalmart rules ...`: rules of the fraud desk."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from app.cli import rules_test
from app.cli.desk import (
    Json,
    Reason,
    author,
    content_of,
    desk_connection,
    print_json,
    refusals_explained,
    shown_time,
    table_of,
)
from app.cli.exits import print_warning
from app.fraud import catalogue
from app.fraud.backtest.sample import warning_of
from app.fraud.editions import RuleDesk, RulesSet, load_rulebook
from app.fraud.rule_errors import UnknownNameError
from app.fraud.rulebook import Rulebook
from app.fraud.rules import AnyRule, State, parse_rules
from app.fraud.starter_rules import starter_rules
from app.settings import load_settings

_DAY: Final = timedelta(hours=24)
_FIGURES: Final = ("weight", "version", "24 h", "shadow 24 h")

_SCORES: Final = "edition {}: an order is reviewed from a score of {}, blocked from {}"

RuleId = Annotated[str, typer.Argument(metavar="ID", help="A rule's id, from `list`.")]

rules: Final = typer.Typer(
    help="Rules of the fraud desk: every change is an edition, which judges the next orders.\n\n"
    "Exit codes: 0 done; 1 a store failed; 2 wrong usage, settings or rule.\n\n"
    "Example: globalmart rules set draft.json --reason 'chargebacks of November'",
    no_args_is_help=True,
)
rules.command()(rules_test.test)


@rules.command("list")
def list_command(as_json: Json = False) -> None:
    """List the rules of the newest edition, and how many orders raised each within 24 hours.

    Example: globalmart rules list
    """
    with refusals_explained():
        document = asyncio.run(_listed())
    if as_json:
        print_json(document)
        return
    table = table_of("id", "kind", "state", "severity", *_FIGURES, "changed by", "at (UTC)", right=_FIGURES)
    for rule in document["rules"]:
        figures = (rule["weight"], rule["version"], rule["raised_24h"], rule["shadow_24h"])
        table.add_row(
            *(escape(rule[name]) for name in ("id", "kind", "state", "severity")),
            *(f"{figure:,}" for figure in figures),
            escape(rule["author"]),
            shown_time(rule["changed_at"]),
        )
    console = Console()
    console.print(table)
    scores = (document[name] for name in ("edition", "review_from", "block_from"))
    console.print(_SCORES.format(*scores), style="dim", soft_wrap=True)


@rules.command()
def show(
    rule_id: RuleId,
    definition: Annotated[
        bool, typer.Option("--definition", help="Print only the definition, as `set` reads it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a rule: its definition, and who changed it when and why.

    Example: globalmart rules show high_value --definition > rule.json
    """
    with refusals_explained():
        rule = asyncio.run(_one(rule_id))
    if as_json or definition:
        print_json(rule["definition"] if definition else rule)
    else:
        _print(rule, Console())


@rules.command("set")
def set_command(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE|-", help="A definition in JSON, or an array of them.")
    ] = None,
    starter: Annotated[bool, typer.Option("--starter", help="The starter rules of this program, active.")] = False,
    create_lists: Annotated[
        bool, typer.Option("--create-lists", help="Make the lists that the rules name, empty.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Make rules, or change those of the same ids: all in one edition, or none.

    A rule is in shadow unless its definition says otherwise. Rules that are as they should be stay as they are.

    Example: globalmart rules set --starter --create-lists
    """
    if (file is None) != starter:
        raise typer.BadParameter("give either FILE or --starter")
    with refusals_explained():
        wanted = starter_rules() if file is None else parse_rules(content_of(file))
        found, warnings = asyncio.run(_set(wanted, reason, create_lists=create_lists))
    if as_json:
        print_json({**found._asdict(), "warnings": warnings})
        return
    what = [
        f"{title} {', '.join(names)}"
        for title, names in (
            ("lists made:", found.lists),
            ("made", found.made),
            ("changed", found.changed),
            ("as they were:", found.unchanged),
        )
        if names
    ]
    typer.echo(f"edition {found.edition}: {'; '.join(what)}")
    _print_warnings(warnings)


#: The commands that change a rule's state: the state, what it is for, and options of an example.
_STATES: Final[Mapping[str, tuple[State, str, str]]] = {
    "activate": (
        "active",
        "Let a rule count: its anomalies score, open cases and stop orders.",
        ' --reason "precision 0.9 in shadow"',
    ),
    "shadow": ("shadow", "Let a rule look at orders and note what it would raise, without any effect.", ""),
    "pause": ("paused", "Let a rule look at no order.", ' --reason "too many travellers"'),
}


def _add(name: str, state: State, what: str, options: str) -> None:
    @rules.command(name, help=f"{what}\n\nExample: globalmart rules {name} spree{options}")
    def command(rule_id: RuleId, reason: Reason = "", as_json: Json = False) -> None:
        _change_state(rule_id, state, reason, as_json)


for _name, _texts in _STATES.items():
    _add(_name, *_texts)


@rules.command()
def thresholds(
    review_from: Annotated[
        int | None, typer.Option(min=1, max=100, help="Score from which an order is reviewed.")
    ] = None,
    block_from: Annotated[
        int | None, typer.Option(min=1, max=100, help="Score from which an order is blocked.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Show the scores from which an order is reviewed and blocked; with an option, change them.

    Example: globalmart rules thresholds --block-from 90 --reason "too many calls"
    """
    with refusals_explained():
        book = asyncio.run(_thresholds(review_from, block_from, reason))
    if as_json:
        print_json({"edition": book.edition, "review_from": book.review_from, "block_from": book.block_from})
    else:
        typer.echo(_SCORES.format(book.edition, book.review_from, book.block_from))


def _change_state(rule_id: str, state: State, reason: str, as_json: bool) -> None:
    with refusals_explained():
        book, warnings = asyncio.run(_set_state(rule_id, state, reason))
    if as_json:
        edition = None if book is None else book.edition
        print_json({"id": rule_id, "state": state, "edition": edition, "warnings": warnings})
    elif book is None:
        typer.echo(f"{rule_id} is {state} already")
    else:
        typer.echo(f"edition {book.edition}: {rule_id} is {state}")
        _print_warnings(warnings)


def _print_warnings(warnings: Mapping[str, str]) -> None:
    for rule_id, warning in warnings.items():
        print_warning(f"{rule_id}: {warning}")


async def _listed() -> dict[str, Any]:
    async with desk_connection(load_settings()) as connection:
        newest = await catalogue.newest(connection)
        found = await catalogue.rules(connection, datetime.now(UTC) - _DAY)
    if newest is None:
        raise UnknownNameError("there is no edition of rules: run `globalmart migrate`")
    return {**{name: newest[name] for name in ("edition", "review_from", "block_from")}, "rules": found}


async def _one(rule_id: str) -> dict[str, Any]:
    async with desk_connection(load_settings()) as connection:
        found = await catalogue.rule(connection, rule_id, datetime.now(UTC) - _DAY)
    if found is None:
        raise UnknownNameError(f"there is no rule {rule_id}; `globalmart rules list` lists them")
    return found


async def _set(wanted: Sequence[AnyRule], reason: str, *, create_lists: bool) -> tuple[RulesSet, dict[str, str]]:
    async with desk_connection(load_settings()) as connection:
        found = await RuleDesk(connection, author()).set_rules(wanted, reason, create_lists=create_lists)
        new = [rule for rule in wanted if rule.id not in found.unchanged]
        return found, await _warnings(connection, new)


async def _set_state(rule_id: str, state: State, reason: str) -> tuple[Rulebook | None, dict[str, str]]:
    async with desk_connection(load_settings()) as connection:
        book = await RuleDesk(connection, author()).set_state(rule_id, state, reason)
        changed = None if book is None else book.version_of(rule_id)
        return book, {} if changed is None else await _warnings(connection, [changed.rule])


async def _thresholds(review_from: int | None, block_from: int | None, reason: str) -> Rulebook:
    async with desk_connection(load_settings()) as connection:
        book = await load_rulebook(connection)
        if review_from is None and block_from is None:
            return book
        wanted = (review_from or book.review_from, block_from or book.block_from)
        return await RuleDesk(connection, author()).set_thresholds(*wanted, reason)


async def _warnings(connection: asyncpg.Connection, rules: Sequence[AnyRule]) -> dict[str, str]:
    """What the author of rules that were just set should know, by rule."""
    found = {rule.id: await warning_of(connection, rule) for rule in rules}
    return {rule_id: warning for rule_id, warning in found.items() if warning is not None}


def _print(rule: Mapping[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(rule['id'])}[/]  {escape(rule['name'])}", highlight=False, soft_wrap=True)
    for name, value in rule["definition"].items():
        if name not in ("id", "name"):
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            console.print(f"{name:<17} {escape(text)}", highlight=False, soft_wrap=True)
    console.print(
        f"raised {rule['raised_24h']:,} orders in 24 h and {rule['raised_total']:,} ever, "
        f"in shadow {rule['shadow_24h']:,} and {rule['shadow_total']:,}",
        highlight=False,
        soft_wrap=True,
    )
    table = table_of("version", "edition", "state", "by", "at (UTC)", "why", right=("version", "edition"))
    for version in rule["versions"]:
        table.add_row(
            str(version["version"]),
            str(version["edition"]),
            version["definition"]["state"],
            escape(version["author"]),
            shown_time(version["changed_at"]),
            escape(version["reason"]),
        )
    console.print(table)
