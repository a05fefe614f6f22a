"""The PostgreSQL sink: one transaction per chunk, fenced by the ledger."""
