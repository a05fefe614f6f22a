"""The version has one place, `app/__init__.py`; what cannot import it says the same."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from api.application import create_app
from app import __version__
from app.cli import main
from app.settings import Settings
from tests.support.documents import PROJECT

#: Files that name the version in text, and how; each must do so at least once. A chart is optional.
_STATED: Final = {
    "compose/compose.yml": r"image: globalmart/\w+:(\S+)",
    "compose/Dockerfile": r'image\.version="([^"]+)"',
    "README.md": r"^Version (\d+\.\d+\.\d+)",
    "CHANGELOG.md": r"^## (\d+\.\d+\.\d+)",
    "compose/helm/Chart.yaml": r'^(?:appVersion|version): "?([^"\s]+)',
}


@pytest.mark.parametrize("name", [name for name in _STATED if (PROJECT / name).exists()])
def test_every_file_says_the_version_of_the_program(name: str) -> None:
    stated = re.findall(_STATED[name], (PROJECT / name).read_text(encoding="utf-8"), re.M)
    newest = stated[:1] if name == "CHANGELOG.md" else stated
    assert set(newest) == {__version__}


def test_the_package_takes_its_version_from_the_program() -> None:
    configuration = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert configuration["project"]["dynamic"] == ["version"]
    assert configuration["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "app.__version__"}


def test_the_command_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"globalmart {__version__}\n")


def test_the_api_describes_itself_with_it(tmp_path: Path) -> None:
    settings = Settings({"GLOBALMART_VAR_DIR": str(tmp_path)})
    assert create_app(settings).openapi()["info"]["version"] == __version__
