"""An erasure that kills itself at a step: `python -m tests.ops.erasure.armed_erasure STEP USER`."""

import asyncio
import os
import signal
import sys

from app.ops.erasure.erasure import erase
from app.settings import load_settings


def main(step: str, user_id: str) -> None:
    """Erase the user and die at the step."""

    def reached(point: str) -> None:
        if point == step:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(erase(load_settings(), user_id, reached=reached))


if __name__ == "__main__":
    main(*sys.argv[1:])
