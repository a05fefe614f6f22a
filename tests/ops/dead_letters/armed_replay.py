"""A replay that kills itself between two steps: `python -m tests.ops.dead_letters.armed_replay STEP ID...`."""

import asyncio
import os
import signal
import sys

from app.ops.dead_letters.correction import Correction
from app.ops.dead_letters.service import replay
from app.settings import load_settings


def main(step: str, *ids: str) -> None:
    """Replay the letters with their amount corrected and die at the step."""

    def reached(point: str) -> None:
        if point == step:
            os.kill(os.getpid(), signal.SIGKILL)

    correction = Correction({"total_amount": "3.00"})
    wanted = [int(one) for one in ids]
    asyncio.run(replay(load_settings(), wanted, correction, by="killed", reached=reached))


if __name__ == "__main__":
    main(*sys.argv[1:])
