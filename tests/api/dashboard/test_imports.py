"""The dashboard is a client of the REST API; it also knows settings, errors and how names and dates are written."""

import ast
from collections.abc import Iterator
from pathlib import Path

import api.dashboard

_FOLDER = Path(api.dashboard.__file__).parent
_PROJECT = {"agents", "api", "app", "batch", "compose", "grafana", "tables", "tests"}
_KNOWN = (
    "api.dashboard",
    "app.settings",
    "app.errors",
    "app.domain.anomalies",
    "app.domain.money",
    "app.domain.names",
    "app.domain.pseudonyms",
    "app.domain.timestamps",
)
_CLIENTS = {"httpx", "requests", "urllib3", "aiohttp", "asyncpg", "motor", "pymongo"}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_of_the_project_it_knows_little_else_than_the_settings_and_the_errors() -> None:
    files = sorted(_FOLDER.rglob("*.py"))
    assert len(files) > 10
    found = {(file.name, name) for file in files for name in _imports(file)}
    ours = {(file, name) for file, name in found if name.split(".")[0] in _PROJECT}
    assert {each for each in ours if not each[1].startswith(_KNOWN)} == set()


def test_one_file_talks_to_the_api() -> None:
    files = {file.name for file in _FOLDER.rglob("*.py") if _CLIENTS & {name.split(".")[0] for name in _imports(file)}}
    assert files == {"client.py"}


def test_no_module_hides_a_package_of_the_project() -> None:
    """Streamlit puts the script's folder first on the path: a module `app` there would be the package `app`."""
    assert {file.stem for file in _FOLDER.glob("*.py")} & _PROJECT == set()
