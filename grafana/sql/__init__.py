"""Named SQL queries of the reader role, for money and for all figures that must be exact.

`$__timeFilter`, `$__timeFrom`, `$__timeTo` and `$__interval_ms` are Grafana's, `country` is a board's variable.
"""
