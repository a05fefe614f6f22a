"""The nightly batch: PostgreSQL into a Parquet lake, the lake into marts, the marts into MongoDB.

Read (`snapshot`, `extract`, `lake`), transform (`marts`, pure DataFrame to DataFrame) and write
(`publish`, `mongo_sink`) know nothing of each other; `nightly` puts them together.
"""
