"""`globalmart` whose batch stands still once a mart is written: `python -m tests.batch.halting batch nightly`.

Variables: HALT_AFTER names the mart, HALTED a file that is there from then on.
"""

import os
import signal
from pathlib import Path

from pyspark.sql import DataFrame

from app.cli import main
from app.settings import BatchSettings
from batch import nightly
from batch.warehouse_writer import Target
from batch.writers import Write, writer


def halting_writer(settings: BatchSettings, target: Target) -> Write:
    """A writer that never returns from the mart."""
    write = writer(settings, target)

    def write_and_halt(rows: DataFrame, collection: str, count: int) -> None:
        write(rows, collection, count)
        if collection.partition("__")[0] == os.environ["HALT_AFTER"]:
            Path(os.environ["HALTED"]).touch()
            signal.pause()

    return write_and_halt


if __name__ == "__main__":
    nightly.writer = halting_writer  # type: ignore[attr-defined]
    main()
