"""Named SQL queries, asked as the reader: everything that is money, and everything that must be exact.

`$__timeFilter`, `$__timeFrom`, `$__timeTo` and `$__interval_ms` are Grafana's, `country` is a board's variable.
"""
