"""Grafana and Prometheus as code: the builders, and the generated files committed next to them.

`python -m grafana` regenerates every file, `make dashboards` with the default settings. Queries are named functions in
`promql` and `sql`; boards only arrange them.
"""
