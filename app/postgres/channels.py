"""Channels of NOTIFY that more than one part of the system knows."""

from typing import Final

#: Anomalies have been given positions; sent with the commit that makes them visible.
ANOMALIES_NUMBERED: Final = "globalmart_anomalies"
