"""Kafka as Faust sees it here: one message per fetched chunk instead of one per record."""
