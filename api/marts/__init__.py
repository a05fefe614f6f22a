"""Queries of the warehouse, one file per mart: pipelines, and exact figures from their documents."""
