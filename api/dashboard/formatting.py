"""Formats figures: exact, in English, UTC; no figure passes through a float."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from app.domain.money import shown_amount
from app.domain.names import name_or_unknown

NOTHING: Final = "–"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_TENTH: Final = Decimal("0.1")
#: Characters with a meaning in Markdown; `$` begins a formula in Streamlit.
_SIGNS: Final[Mapping[int, str]] = str.maketrans({sign: f"\\{sign}" for sign in r"\`*_{}[]()<>#+-.!|~$:"})


def money(amount: Decimal | int | None) -> str:
    """Formats an exact amount, `$1,234.50`; a dash for None."""
    return NOTHING if amount is None else shown_amount(amount)


def number(value: Decimal | int | None) -> str:
    """Formats a number with its decimals, `24,800`; a dash for None."""
    return NOTHING if value is None else f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """Formats a number of things, `1 order`, `24,800 orders`; `many` where the plural takes more than an s."""
    return f"{number(value)} {one if value == 1 else many or f'{one}s'}"


def growth(ratio: Decimal | None) -> str:
    """Formats a relative change with its sign, `+12.3 %`; a dash for None."""
    return NOTHING if ratio is None else f"{_rounded(ratio * 100):+,} %"


def percent(ratio: Decimal | None) -> str:
    """Formats a ratio as percent with one decimal, `12.3 %`; a dash for None."""
    return NOTHING if ratio is None else f"{_rounded(ratio * 100):,} %"


def change(now: Decimal | int | None, before: Decimal | int | None) -> str | None:
    """Returns the relative change, `+12.3 %`; None without a value to compare with."""
    if now is None or not before:
        return None
    return growth((Decimal(now) - before) / before)


def word(text: str | None) -> str:
    """Returns a text; empty for None."""
    return text or ""


def name(text: str | None) -> str:
    """Returns a category or country, `unknown` for none."""
    return name_or_unknown(text)


def instant(time: datetime) -> str:
    """Formats a time to the second, `2025-12-07 04:32:00 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def milliseconds(seconds: Decimal | int | None) -> str:
    """Formats a short duration, `31 ms`; a dash for None."""
    return NOTHING if seconds is None else f"{seconds * 1000:,.0f} ms"


def seconds(value: Decimal | None) -> str:
    """Formats a longer duration, `62.5 s`; a dash for None."""
    return NOTHING if value is None else f"{value:,.1f} s"


def size(count: int | None) -> str:
    """Formats bytes in a decimal unit, `1.2 GB`; a dash for None."""
    if count is None:
        return NOTHING
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    return f"{_rounded(Decimal(count).scaleb(-3 * power)):,} {_UNITS[power]}" if power else f"{count} B"


def shown_time(text: str | None) -> str:
    """Formats a time of the API to the second, in UTC; a dash for None."""
    return NOTHING if text is None else f"{parsed(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def parsed(text: str) -> datetime:
    """Parses a time of the API."""
    return datetime.fromisoformat(text)


def days_ago(days: int) -> str:
    """Formats a number of days before a day, `3 days before`."""
    return "the same day" if days == 0 else f"{number(days)} day{'s' if days > 1 else ''} before"


def sentence(text: str) -> str:
    """Returns text as the start of a sentence, escaped for Markdown."""
    return plain(text[:1].upper() + text[1:])


def plain(text: str) -> str:
    """Escapes text for Markdown."""
    return text.translate(_SIGNS)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_TENTH, ROUND_HALF_UP)
