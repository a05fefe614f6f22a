"""Time-outs of launchers: for servers to become ready, for answers, for figures.

The end of a process is noticed at once, so long waits only occur on a very busy machine.
"""

from typing import Final

#: For a server that starts, a stream that catches up, figures that settle.
PATIENCE_SECONDS: Final = 300.0
#: For one answer of a server that runs.
ANSWER_SECONDS: Final = 60.0
#: For one answer of a server that starts; between two answers its process is checked.
LOOK_SECONDS: Final = 10.0
