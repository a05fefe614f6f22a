"""The nightly part of the benchmark: the batch beside DuckDB making the same marts from the same lake."""
