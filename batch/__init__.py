"""The nightly batch: from PostgreSQL to a Parquet lake, from the lake to marts, from the marts to MongoDB.

Read (`snapshot`, `extract`, `lake`), transform (`marts`, pure DataFrame to DataFrame) and write
(`publish`, `mongo_sink`) do not depend on each other; `nightly` composes them.
"""
