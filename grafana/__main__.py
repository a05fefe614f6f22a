"""`python -m grafana [FOLDER]`: writes every generated file, with the settings in effect."""

import sys
from pathlib import Path

from app.errors import SettingsError
from app.settings import load_settings
from grafana.files import write_files


def main(arguments: list[str]) -> None:
    """Writes below the given folder, else below this package's."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    try:
        write_files(load_settings(), folder)
    except SettingsError as error:
        raise SystemExit(f"settings:\n{error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
