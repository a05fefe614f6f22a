"""Upkeep of the data: repair, replay, retention, backup. Run by hand or by a timer, beside a running stream."""
