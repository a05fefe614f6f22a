"""Grafana and Prometheus as code: builders here, what they make committed beside them.

`python -m grafana` writes every generated file anew, `make dashboards` does so with the default settings. Queries
are named functions in `promql` and `sql`; boards only place them.
"""
