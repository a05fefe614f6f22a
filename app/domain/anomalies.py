"""The guide's three anomalies: the ids of their rules, in the order in which they are shown, and their titles."""

from collections.abc import Mapping
from typing import Final

HIGH_VALUE: Final = "high_value"
UNUSUAL_QUANTITY: Final = "unusual_quantity"
RAPID_TRANSACTIONS: Final = "rapid_transactions"

GUIDE_TITLES: Final[Mapping[str, str]] = {
    HIGH_VALUE: "High value",
    UNUSUAL_QUANTITY: "Unusual quantity",
    RAPID_TRANSACTIONS: "Rapid transactions",
}
ANOMALY_TYPES: Final = tuple(GUIDE_TITLES)
