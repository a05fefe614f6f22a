"""Components of the pages: headings, cards, tables with a download, and error messages."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from api.dashboard import formatting
from api.dashboard.api_errors import (
    ApiUnavailableError,
    ConflictError,
    DashboardError,
    ForbiddenError,
    NotPublishedError,
    RefusedError,
)

OTHER_FILTERS: Final = "Choose another country or another period on the left."
_ROWS_AT_ONCE: Final = 14
_SCROLLED_PIXELS: Final = 500
_CALM: Final = """
<style>
[data-testid="stMainBlockContainer"] { padding-top: 2.6rem; padding-bottom: 3rem; max-width: 1440px; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
[data-testid="stMetricValue"] * { white-space: normal; overflow-wrap: anywhere; }
[data-testid="stTable"] :is(th, td) * { white-space: normal !important; }
[data-testid="stTable"] td * { overflow-wrap: anywhere !important; }
[data-testid="stTable"] td:not([style*="right"]) > div { min-width: 3.2rem; }
[class*="st-key-live"] [data-stale="true"] { opacity: 1 !important; }
</style>
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its field, its heading, and the formatter of its values."""

    field: str
    heading: str
    written: Callable[[Any], str] = formatting.word
    #: False for one that only the file has.
    shown: bool = True

    def value(self, row: Mapping[str, Any]) -> Any:
        """Returns the value to sort by; for a missing one its word if there is one, else None."""
        value = row.get(self.field)
        if value is not None or (word := self.written(None)) == formatting.NOTHING:
            return value
        return word


def heading(title: str) -> None:
    """Shows the title of a page, and sets the common style."""
    st.html(_CALM)
    st.title(title, anchor=False)


def live(name: str = "") -> DeltaGenerator:
    """Returns a container for a part that refreshes itself: it does not fade during a refresh.

    A second one on a page has a name of its own.
    """
    return st.container(key=f"live-{name}")


def section(title: str, about: str | None = None) -> None:
    """Shows a heading within a page, with a line about the content and its time."""
    st.subheader(title, anchor=False)
    if about:
        st.caption(about)


def card(label: str, value: str, delta: str | None = None, help: str | None = None, *, calm: bool = False) -> None:
    """Shows one figure; an increase is green, or neutral with `calm`."""
    st.metric(
        label,
        value,
        delta,
        "off" if calm else "normal",
        help=help,
        border=True,
        height="stretch",
        delta_arrow="off" if calm else "auto",
    )


def cards(*figures: tuple[str, str, *tuple[str | None, ...]]) -> None:
    """Shows figures in a row: of each its label, its value and, if there are any, a neutral note and a help text."""
    for place, (label, value, *more) in zip(st.columns(len(figures)), figures, strict=True):
        with place:
            card(label, value, *more, calm=True)


@contextmanager
def explained(shown: dict[str, DashboardError] | None = None) -> Iterator[None]:
    """Shows an error message with its fix in place of the block's content when the API fails.

    A page passes the errors it has `shown`, so that none appears twice, and ends when the API is unavailable; a part
    that refreshes itself shows the error in its place.
    """
    try:
        yield
    except DashboardError as error:
        if shown is None:
            show_error(error)
        elif isinstance(error, ApiUnavailableError):
            raise
        elif error.what not in shown:
            shown[error.what] = error
            show_error(error)


def seen_version(name: str, version: int, *, pressed: bool) -> int:
    """Returns the version of a thing that its form showed when a button was pressed, which may be an older one.

    Pressing a button reads the page again: without this a change of somebody else would be overwritten unseen.
    """
    key = f"{name} version"
    if not pressed or key not in st.session_state:
        st.session_state[key] = version
    return int(st.session_state[key])


def show_error(error: DashboardError) -> None:
    """Shows an error and its fix."""
    if isinstance(error, NotPublishedError):
        empty(f"{error.what}.", error.fix)
    else:
        mine = isinstance(error, (RefusedError, ConflictError, ForbiddenError))
        icon = ":material/edit_off:" if mine else ":material/cloud_off:"
        st.error(f"**{formatting.plain(error.what)}.** {error.fix}", icon=icon)


def empty(what: str, fix: str) -> None:
    """Shows that there is no content, and a possible reason."""
    st.info(f"**{what}** {fix}", icon=":material/inbox:")


def choice(label: str, names: Mapping[str, str], key: str, **more: Any) -> str | None:
    """Shows names side by side, one of which can be chosen; returns its key, None if none is."""
    chosen: str | None = st.segmented_control(label, list(names), format_func=names.__getitem__, key=key, **more)
    return chosen


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], file_name: str, key: str, *, wrapped: bool = False
) -> None:
    """Shows rows as a table with exact values, and a CSV download.

    One that is `wrapped` breaks its texts rather than cut them, and cannot be sorted.
    """
    shown = [column for column in columns if column.shown]
    if wrapped:
        _wrapped(rows, shown)
    else:
        _scrolled(rows, shown, key)
    st.download_button(
        "Download CSV",
        to_csv(rows, columns),
        file_name,
        "text/csv",
        type="tertiary",
        icon=":material/download:",
        on_click="ignore",
        key=f"{key} csv",
        help="The rows above with exact decimals",
    )


def _scrolled(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], key: str) -> None:
    frame = pd.DataFrame(
        [[column.value(row) for column in columns] for row in rows],
        columns=pd.Index([column.heading for column in columns]),
        dtype=object,
    )
    written: dict[Any, Any] = {column.heading: column.written for column in columns}
    st.dataframe(
        frame.style.format(written),
        hide_index=True,
        key=f"{key} table",
        placeholder=formatting.NOTHING,
        height="content" if len(rows) <= _ROWS_AT_ONCE else _SCROLLED_PIXELS,
    )


def _wrapped(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    cells = {column.heading: [_markdown(column, row) for row in rows] for column in columns}
    numbers: dict[Any, Any] = {
        column.heading: column.written for column in columns if all(type(row[column.field]) is int for row in rows)
    }
    st.table(pd.DataFrame(cells).style.format(numbers), border="horizontal", hide_index=True)


def _markdown(column: Column, row: Mapping[str, Any]) -> int | str:
    """A number as it is, so that it stands on the right; any other value as it is written, as Markdown."""
    value = row[column.field]
    return value if type(value) is int else formatting.plain(column.written(value))


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> bytes:
    """Returns the API's fields as CSV with exact decimals; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.field for column in columns])
    writer.writerows([[_cell(row.get(column.field)) for column in columns] for row in rows])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    # A spreadsheet would execute a name that begins like a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else str(value)
