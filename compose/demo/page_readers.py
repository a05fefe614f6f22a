"""Reading the dashboard's pages: in a real browser where there is one, else by Streamlit's test runner."""

import csv
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode

from app.errors import EmbeddedStackError, text_of
from app.reconcile.comparison import named
from app.reconcile.serving.answer_shapes import SHAPES
from compose.demo.page_texts import PageTexts, file_fields, written
from compose.patience import ANSWER_SECONDS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
#: The page at the bare address.
_LANDING: Final = "overview"
_EVERYTHING: Final = {"period": "Everything stored"}
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class PageReader(Protocol):
    """Opens pages; `name` says by what means, `reads_files` whether it downloads tables, too."""

    name: str
    reads_files: bool

    def read(self, page: PageTexts) -> dict[str, Any]:
        """What a page shows under the names of `PageTexts.expected`."""


@contextmanager
def page_reader(dashboard_url: str, environ: Mapping[str, str]) -> Iterator[PageReader]:
    """The best reader this machine has for the dashboard at this address, with these settings."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is not None and importlib.util.find_spec("playwright") is not None:
        with _tab(program) as tab:
            yield BrowserReader(tab, dashboard_url)
    else:
        with _only(environ):
            yield ScriptReader()


class BrowserReader:
    """A tab of a headless Chromium."""

    name = "Chromium"
    reads_files = True

    def __init__(self, tab: "Page", url: str) -> None:
        self._tab = tab
        self._url = url

    def read(self, page: PageTexts) -> dict[str, Any]:
        """Every card asked for and the page's file; raises EmbeddedStackError where one is missing."""
        with _explained():
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


class ScriptReader:
    """The pages as Streamlit's own test runner runs them, without a browser; cards only."""

    name = "no browser"
    reads_files = False

    def read(self, page: PageTexts) -> dict[str, Any]:
        """Every card the page shows of those asked for."""
        from streamlit.testing.v1 import AppTest

        script = f"from api.dashboard.app import show\nshow({page.view!r})"
        run = AppTest.from_string(script, default_timeout=PATIENCE_SECONDS)
        for name, value in {**_EVERYTHING, **page.query}.items():
            run.query_params[name] = value
        run.run()
        cards = {card.label: card.value for card in run.metric}
        return {f"{page.name}: {label}": cards[label] for label in page.cards if label in cards}


def read_pages(reader: PageReader, wanted: Sequence[PageTexts]) -> dict[str, Any]:
    """What all these pages show."""
    return {name: value for page in wanted for name, value in reader.read(page).items()}


@contextmanager
def _tab(program: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with _explained(), tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=list(_FLAGS),
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
def _explained() -> Iterator[None]:
    from playwright.sync_api import Error

    try:
        yield
    except Error as error:
        raise EmbeddedStackError(f"the browser could not read a page: {text_of(error)}") from error


@contextmanager
def _only(environ: Mapping[str, str]) -> Iterator[None]:
    """This process sees these variables, as the pages read their settings from it."""
    former = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


def _shortest(cell: str) -> str:
    """A number of a file without zeros at its end; other text as it is."""
    return written(Decimal(cell)) if _NUMBER.fullmatch(cell) else cell
