"""How long launchers wait for what must come: a server that is ready, an answer, a figure.

A process that has ended is noticed at once, so only on a very busy machine does anybody wait for long.
"""

from typing import Final

#: For a server that starts, a stream that catches up, figures that settle.
PATIENCE_SECONDS: Final = 300.0
#: For one answer of a server that runs.
ANSWER_SECONDS: Final = 60.0
#: For one answer of a server that starts; between two of them its process is looked at.
LOOK_SECONDS: Final = 10.0
