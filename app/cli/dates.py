"""Options that accept days and times: one strict form, and an error that names the option."""

from datetime import date, datetime
from typing import Final

import typer

from app.domain.timestamps import TimestampError, parse_date, parse_instant

DAY_FORM: Final = "YYYY-MM-DD"


def day(text: str) -> date:
    """Parses the UTC day of an option; raises BadParameter, to which Typer adds the option's name."""
    try:
        parsed = parse_date(text)
    except TimestampError as error:
        raise typer.BadParameter(str(error)) from None
    if parsed == date.max:  # a day ends at the next midnight
        raise typer.BadParameter(f"{text} is the last day of the calendar; give an earlier one")
    return parsed


def instant(text: str) -> datetime:
    """Parses the aware UTC time of an option, midnight for a day; raises BadParameter."""
    try:
        return parse_instant(text)
    except TimestampError as error:
        raise typer.BadParameter(str(error)) from None


def day_option(name: str, help_text: str) -> typer.models.OptionInfo:
    """Returns an option that accepts a UTC day."""
    option: typer.models.OptionInfo = typer.Option(name, parser=day, metavar=DAY_FORM, help=help_text)
    return option


def time_option(name: str, help_text: str) -> typer.models.OptionInfo:
    """Returns an option that accepts a time, or a day for its midnight."""
    option: typer.models.OptionInfo = typer.Option(name, parser=instant, metavar="TIME", help=help_text)
    return option
