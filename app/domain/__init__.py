"""Pure rules: money, windows, watermark, pseudonyms, anomaly rules. Standard library only, no I/O, no clock.

Amounts are integer cents. Instants are integer microseconds since the Unix epoch (UTC), names end in `_us`.
"""
