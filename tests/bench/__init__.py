"""The benchmark `make bench`: the worker compared with the bare limit and with an ordinary Faust agent.

All three do the same job on the same records, one Kafka and one PostgreSQL, in turn and in one run: only the
ratios mean anything on a shared machine.
"""
