"""The command that starts the dashboard: Streamlit's command line with all options as flags."""

import json
import sys
from pathlib import Path
from typing import Final

from api.dashboard.palette import DARK, LIGHT, Palette
from app.settings import Settings

SCRIPT: Final = Path(__file__).with_name("main.py")

_OPTIONS: Final = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "logger.hideWelcomeMessage": "true",
    "theme.baseRadius": "medium",
    "theme.headingFontSizes": json.dumps(["2rem", "1.6rem", "1.3rem"]),
    "theme.metricValueFontSize": "1.7rem",
}


def _theme(name: str, colours: Palette) -> dict[str, str]:
    """Returns the options of one theme; the browser chooses between both as its system does."""
    options = {
        "primaryColor": colours.current,
        "backgroundColor": colours.background,
        "secondaryBackgroundColor": colours.panel,
        "textColor": colours.text,
        "borderColor": colours.border,
        "chartCategoricalColors": json.dumps(colours.series),
        "chartSequentialColors": json.dumps(colours.shades),
    }
    return {f"theme.{name}.{option}": value for option, value in options.items()}


def command(settings: Settings) -> list[str]:
    """Returns the command that serves the dashboard on GLOBALMART_BIND and its port, without telemetry."""
    place = {"server.address": settings.general.bind, "server.port": str(settings.dashboard.port)}
    flags = [
        f"--{name}={value}"
        for name, value in (_OPTIONS | _theme("light", LIGHT) | _theme("dark", DARK) | place).items()
    ]
    return [sys.executable, "-m", "streamlit", "run", str(SCRIPT), *flags]
