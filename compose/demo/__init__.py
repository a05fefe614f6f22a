"""The demo: everything started here, live traffic, and at its end a recount of every figure."""
