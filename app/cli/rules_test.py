"""`globalmart rules test`: what a rule would have raised on stored orders, exactly."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.cli.dates import time_option
from app.cli.desk import STDIN, refusals_explained, shown_time
from app.cli.exits import print_warning
from app.errors import SettingsError
from app.fraud.backtest.question import Question
from app.fraud.backtest.sample import look
from app.fraud.rule_errors import InvalidRuleError
from app.fraud.rules import AnyRule, parse_rule
from app.postgres.connections import connect_reader, translate_errors
from app.settings import Settings, load_settings

#: Never a file: one of such a name is written ./name.
_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,49}")
_LISTED_DAYS: Final = 31


def test(
    rule: Annotated[str, typer.Argument(metavar="FILE|-|ID", help="A rule in JSON, or the id of one that exists.")],
    start: Annotated[datetime | None, time_option("--from", "First time of the orders.")] = None,
    end: Annotated[datetime | None, time_option("--to", "Time after the last order.")] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Look at up to 1,000 orders of the last day instead, within a second.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    lists_now: Annotated[
        bool, typer.Option("--lists-now", help="Compare with today's lists, which gives other verdicts.")
    ] = False,
    max_orders: Annotated[
        int | None, typer.Option("--max-orders", min=1, help="Refuse to read more orders than this.")
    ] = None,
) -> None:
    """Judge stored orders of [from, to) by a draft, in offset order, with editions and lists as they were.

    An id instead of a file judges each order by the rule's version of that time: what the live run raised. Orders
    that retention took from PostgreSQL are read from the lake.

    A sample says soon whether a draft raises too many orders.

    Exit codes: 0 answered; 1 a store cannot be read or has too many orders; 2 wrong usage, settings or rule.

    Example: globalmart rules test draft.json --from 2025-12-01 --to 2025-12-08
    """
    if sample == (start is not None or end is not None) or (start is None) != (end is None):
        raise typer.BadParameter("give --from and --to, or --sample alone")
    with refusals_explained():
        settings = load_settings()
        if start is None or end is None:
            found = asyncio.run(_look(settings, rule))
        else:
            found = _ask(settings, rule, Question(start, end, lists_now=lists_now), max_orders)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    elif sample:
        _print_look(found)
    else:
        _print(found, Console())


async def _look(settings: Settings, rule: str) -> dict[str, Any]:
    drafts, _ = _asked(rule)
    if not drafts:
        raise InvalidRuleError("a sample is for a draft: give its file, or - for standard input")
    with translate_errors(settings.postgres):
        connection = await connect_reader(settings.postgres, "globalmart-rules")
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                found = await look(connection, drafts[0])
        finally:
            await connection.close()
    if found is None:
        return {"orders": 0, "raised": 0, "share": None, "from": None, "to": None, "warning": None}
    times = {"from": shown_time(found.start), "to": shown_time(found.end)}
    return {
        "orders": found.orders,
        "raised": found.raised,
        "share": str(found.share),
        **times,
        "warning": found.warning,
    }


def _print_look(found: Mapping[str, Any]) -> None:
    if found["orders"]:
        typer.echo(
            f"it would raise {found['raised']:,} of {found['orders']:,} orders of {found['from']} to {found['to']} UTC"
        )
    else:
        typer.echo("there are no orders yet")
    if found["warning"]:
        print_warning(found["warning"])


def _ask(settings: Settings, rule: str, base: Question, max_orders: int | None) -> dict[str, Any]:
    from app.ops.rule_test.process_pool import ask_history

    drafts, rule_ids = _asked(rule)
    question = Question(base.start, base.end, drafts, rule_ids, lists_now=base.lists_now)
    lake = settings.batch.lake or str(settings.general.var_dir / "lake")
    columns = (BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f} orders"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("judging", total=None, visible=False)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=max(done, total), visible=True)

        return asyncio.run(
            ask_history(settings, question, lake, processes=_cores(), max_orders=max_orders, report=report)
        )


def _asked(rule: str) -> tuple[tuple[AnyRule, ...], tuple[str, ...]]:
    """The draft, or the id of a rule; raises SettingsError for a file that cannot be read."""
    if rule == STDIN:
        return (parse_rule(sys.stdin.buffer.read()),), ()
    if _ID.fullmatch(rule):
        return (), (rule,)
    try:
        return (parse_rule(Path(rule).read_bytes()),), ()
    except OSError as error:
        raise SettingsError(f"{rule} cannot be read ({error.strerror}): give a file, - or a rule's id") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print(found: Mapping[str, Any], console: Console) -> None:
    if found["histories_since"]:
        console.print(f"[yellow]histories begin at {found['histories_since']}: there is no lake with earlier orders[/]")
    for answer in found["answers"]:
        _print_answer(answer, console)
    console.print(f"[dim]{found['orders_read']:,} orders read in {found['seconds']:.1f} s[/]")


def _print_answer(answer: Mapping[str, Any], console: Console) -> None:
    console.print(
        f"[bold]{escape(answer['rule_id'])}[/] would have raised {answer['orders']:,} of "
        f"{answer['orders_in_range']:,} orders ({_percent(answer['share'])}), {answer['money']} in all, "
        f"{answer['suppressed']:,} of them within the cool-down"
    )
    if answer["warning"]:
        console.print(f"[yellow]{escape(answer['warning'])}[/]")
    labels = answer["labels"]
    if labels is not None:
        console.print(
            f"labelled orders: {labels['true_positives']:,} frauds raised and {labels['false_negatives']:,} not, "
            f"{labels['false_positives']:,} legitimate raised and {labels['true_negatives']:,} not; "
            f"precision {_percent(labels['precision'])}, recall {_percent(labels['recall'])}"
        )
    for title, rows in (("day", answer["by_day"][-_LISTED_DAYS:]), ("country", answer["by_country"])):
        if rows:
            console.print(_table(title, rows))
    for other in answer["overlap"]:
        console.print(f"{other['orders']:,} of them were raised by {escape(other['rule_id'])}, too")
    for example in answer["examples"]:
        text = f"{example['timestamp']} {example['transaction_id']} {example['amount']} {example['description']}"
        console.print(escape(text), soft_wrap=True)


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(name, box=None, header_style="bold")
    table.add_column("orders", justify="right")
    table.add_column("money", justify="right")
    for row in rows:
        table.add_row(escape(row[name]), f"{row['orders']:,}", row["money"])
    return table


def _percent(share: str | None) -> str:
    return "-" if share is None else f"{float(share) * 100:.2f} %"
