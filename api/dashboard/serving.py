"""The command that starts the dashboard: Streamlit's command line with all options as flags."""

import json
import sys
from pathlib import Path
from typing import Final

from app.settings import Settings

SCRIPT: Final = Path(__file__).with_name("main.py")

#: Colours on white: teal for current values, amber for earlier or highlighted ones.
TEAL: Final = "#0f766e"
AMBER: Final = "#d97706"
SERIES: Final = (TEAL, AMBER, "#475569", "#0891b2", "#65a30d", "#9333ea", "#be123c", "#a16207")
SHADES: Final = (
    "#f0fdfa",
    "#d5f5ee",
    "#b4e8de",
    "#8fd6ca",
    "#66bfb2",
    "#41a598",
    "#238a7e",
    "#0f766e",
    "#115e56",
    "#134e4a",
)

_OPTIONS: Final = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "logger.hideWelcomeMessage": "true",
    "theme.base": "light",
    "theme.primaryColor": TEAL,
    "theme.backgroundColor": "#ffffff",
    "theme.secondaryBackgroundColor": "#f5f7f8",
    "theme.textColor": "#1f2933",
    "theme.borderColor": "#e2e8ec",
    "theme.baseRadius": "medium",
    "theme.headingFontSizes": json.dumps(["2rem", "1.6rem", "1.3rem"]),
    "theme.metricValueFontSize": "1.7rem",
    "theme.chartCategoricalColors": json.dumps(SERIES),
    "theme.chartSequentialColors": json.dumps(SHADES),
}


def command(settings: Settings) -> list[str]:
    """Returns the command that serves the dashboard on GLOBALMART_BIND and its port, without telemetry."""
    place = {"server.address": settings.general.bind, "server.port": str(settings.dashboard.port)}
    flags = [f"--{name}={value}" for name, value in (_OPTIONS | place).items()]
    return [sys.executable, "-m", "streamlit", "run", str(SCRIPT), *flags]
