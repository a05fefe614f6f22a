"""The documents' pictures of the dashboard, light and dark, from a running demo.

.venv/bin/python -m tests.pictures http://127.0.0.1:8501             # every page
.venv/bin/python -m tests.pictures http://127.0.0.1:8501 overview    # one of them
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from playwright.sync_api import Page, ViewportSize

from api.dashboard.navigation import VIEWS
from tests.api.dashboard.browsing import browser, open_page

FOLDER: Final = Path(__file__).parents[1] / "api" / "dashboard" / "pictures"
_SCREEN: Final[ViewportSize] = {"width": 1380, "height": 1240}
#: Charts draw themselves once more after the page says that it is ready.
_DRAWN_MS: Final = 2_000
_TITLES: Final = {view.path: view.title for view in VIEWS}
Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")


def main() -> None:
    """Takes the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="the dashboard's address, as the demo prints it")
    parser.add_argument("pages", nargs="*", help=f"of {', '.join(_TITLES)}; by default all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--width", type=int, default=_SCREEN["width"], help="of the window, in pixels")
    parser.add_argument("--height", type=int, default=_SCREEN["height"], help="of the window, in pixels")
    given = parser.parse_args()
    screen: ViewportSize = {"width": given.width, "height": given.height}
    with TemporaryDirectory() as profile, browser(Path(profile), viewport=screen) as context:
        tab = context.new_page()
        for page in given.pages or _TITLES:
            for scheme in SCHEMES:
                path = given.folder / picture_name(page, scheme)
                path.write_bytes(_taken(tab, given.address, page, scheme))
                sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")


def picture_name(page: str, scheme: Scheme) -> str:
    """Returns the file's name: the light one has the page's."""
    return f"{page}.png" if scheme == "light" else f"{page}-{scheme}.png"


def _taken(tab: Page, address: str, page: str, scheme: Scheme) -> bytes:
    tab.emulate_media(color_scheme=scheme)
    path = "" if page == next(iter(_TITLES)) else page
    open_page(tab, f"{address.rstrip('/')}/{path}", _TITLES[page])
    tab.wait_for_timeout(_DRAWN_MS)
    return tab.screenshot()


if __name__ == "__main__":
    main()
