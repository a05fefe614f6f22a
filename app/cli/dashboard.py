"""`globalmart dashboard` serves the executive dashboard."""

import os


def dashboard() -> None:
    """Serve the dashboard until Ctrl-C, on GLOBALMART_BIND and GLOBALMART_DASHBOARD_PORT.

    It reads only the REST API at GLOBALMART_DASHBOARD_API_URL, and also starts without it: pages then
    show what is missing.

    Example: GLOBALMART_DASHBOARD_PORT=8600 globalmart dashboard
    """
    from api.dashboard.serving import command
    from app.cli.listening import require_free
    from app.settings import load_settings

    settings = load_settings()
    own = settings.dashboard
    require_free(settings.general.bind, own.port, own.variable("port"))
    arguments = command(settings)
    # Streamlit replaces this process, so signals reach it and the exit code is its own.
    os.execv(arguments[0], arguments)
