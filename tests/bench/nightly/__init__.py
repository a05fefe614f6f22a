"""The nightly part of the benchmark: the batch compared with DuckDB computing the same marts from the same lake."""
