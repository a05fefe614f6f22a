"""A worker that asks Kafka for its lag without pause: `faust -A tests.faults.watchful_worker worker`.

The variable PATIENCE_SECONDS says how long it waits for an answer.
"""

import os
from typing import Any

from app.settings import load_settings
from app.stream import health
from app.worker import create_app


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    health._LAG_EVERY_SECONDS = 0.002  # type: ignore[misc]
    health._ANSWER_SECONDS = float(os.environ["PATIENCE_SECONDS"])  # type: ignore[misc]
    app = create_app(load_settings())
    globals()["app"] = app
    return app
