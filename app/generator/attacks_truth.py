"""What injected orders are in truth, as a CSV file that an import of labels reads."""

import csv
from collections.abc import Callable
from typing import Final, NamedTuple, TextIO

FRAUD: Final = "fraud"
LEGITIMATE: Final = "legitimate"
COLUMNS: Final = ("transaction_id", "label", "event_time", "attack")


class Truth(NamedTuple):
    """What an injected order belongs to: `attack` names the attack or look-alike, `campaign` numbers them in a run."""

    label: str
    attack: str
    campaign: int


#: Called with every injected order when it is sent: its id, its time (RFC 3339) and the truth.
OnInjected = Callable[[str, str, Truth], None]


class TruthFile:
    """Writes a line per injected order."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, transaction_id: str, event_time: str, truth: Truth) -> None:
        """Writes an order."""
        self._writer.writerow((transaction_id, truth.label, event_time, truth.attack))
