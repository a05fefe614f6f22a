"""Reads the dashboard's pages in a real browser."""

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from app.errors import EmbeddedStackError, text_of
from app.patience import ANSWER_SECONDS
from app.reconcile.comparison import named
from app.reconcile.serving.answer_shapes import SHAPES
from tests.api.dashboard.page_texts import PageTexts, file_fields, written
from tests.support.chromium import CHROMIUM_FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import Page

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_DEADLINE_SECONDS: Final = 60.0
_CARD_SECONDS: Final = 30.0
#: The page at the dashboard's root URL.
_LANDING: Final = "overview"
_EVERYTHING: Final = {"period": "Everything stored"}


@contextmanager
def page_reader(dashboard_url: str) -> Iterator["BrowserReader"]:
    """Yields a reader of the dashboard at this URL; raises EmbeddedStackError if there is no browser."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        raise EmbeddedStackError(f"none of {', '.join(_BROWSERS)} is installed; `make packages` installs one")
    with _tab(program) as tab:
        yield BrowserReader(tab, dashboard_url)


class BrowserReader:
    """A tab of a headless Chromium."""

    def __init__(self, tab: "Page", url: str) -> None:
        self._tab = tab
        self._url = url

    def read(self, page: PageTexts) -> dict[str, Any]:
        """Returns every requested card and the page's file; raises EmbeddedStackError if one is missing."""
        with _translated_errors():
            return self._read(page)

    def _read(self, page: PageTexts) -> dict[str, Any]:
        path = "" if page.view == _LANDING else page.view
        self._tab.goto(f"{self._url}/{path}?{urlencode({**_EVERYTHING, **page.query})}")
        shown = {}
        for label in page.cards:
            title = self._tab.get_by_test_id("stMetricLabel").get_by_text(label, exact=True)
            card = self._tab.get_by_test_id("stMetric").filter(has=title).first
            shown[f"{page.name}: {label}"] = card.get_by_test_id("stMetricValue").inner_text()
        return shown if page.file is None else shown | self._file(page.name, page.file)

    def _file(self, name: str, title: str) -> dict[str, str]:
        with self._tab.expect_download() as download:
            self._tab.get_by_role("button", name="Download CSV").first.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        figures = named(title, SHAPES[title][0], file_fields(title), csv.DictReader(text.splitlines()))
        return {f"{name} file, {figure}": _shortest(cell) for figure, cell in figures.items()}


def read_pages(reader: BrowserReader, wanted: Sequence[PageTexts]) -> dict[str, Any]:
    """Returns the content of all these pages."""
    return {name: value for page in wanted for name, value in reader.read(page).items()}


@contextmanager
def _tab(program: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with _translated_errors(), tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=list(CHROMIUM_FLAGS),
            accept_downloads=True,
            viewport={"width": 1440, "height": 1000},
        )
        try:
            tab = browser.new_page()
            tab.set_default_timeout(ANSWER_SECONDS * 1000)
            yield tab
        finally:
            browser.close()


@contextmanager
def _translated_errors() -> Iterator[None]:
    from playwright.sync_api import Error

    try:
        yield
    except Error as error:
        raise EmbeddedStackError(f"the browser could not read a page: {text_of(error)}") from error


def _shortest(cell: str) -> str:
    """Strips trailing zeros of a number; returns other text unchanged."""
    return written(Decimal(cell)) if _NUMBER.fullmatch(cell) else cell
